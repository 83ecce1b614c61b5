/**
 * The tuning store of a far side that has no disk (a page): entries lie with the near side, and the far one asks for them while a command
 * is under way. Answers therefore come out of turn: they must not queue behind the command that waits for them.
 */
import type { TuneEntry, TuningStore } from "../engines/tune/types.ts";
import { HostError, toWireError } from "./protocol.ts";
import type { WireError } from "./protocol.ts";

/** What the far side asks. */
export type StoreQuestion =
  | { readonly question: number; readonly kind: "machine" }
  | { readonly question: number; readonly kind: "load"; readonly machine: string; readonly key: string }
  | { readonly question: number; readonly kind: "store"; readonly machine: string; readonly key: string; readonly entry: TuneEntry };

/** `value` is absent where there is none. */
export interface StoreAnswer {
  readonly answer: number;
  readonly value?: unknown;
  readonly error?: WireError;
}

export function isStoreQuestion(message: object): message is StoreQuestion {
  return "question" in message;
}

export function isStoreAnswer(message: object): message is StoreAnswer {
  return "answer" in message;
}

/** The near side's part. Failures cross as answers. */
export async function answerStoreQuestion(store: TuningStore, asked: StoreQuestion): Promise<StoreAnswer> {
  const answer = asked.question;
  try {
    switch (asked.kind) {
      case "machine":
        return { answer, value: store.machine };
      case "load":
        return { answer, value: await store.load(asked.machine, asked.key) };
      case "store":
        await store.store(asked.machine, asked.key, asked.entry);
        return { answer };
    }
  } catch (error) {
    return { answer, error: toWireError(error) };
  }
}

type Asked = StoreQuestion extends infer Q ? (Q extends unknown ? Omit<Q, "question"> : never) : never;

export class FarStore {
  readonly #send: (question: StoreQuestion) => void;
  readonly #waiting = new Map<number, { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }>();
  #next = 1;

  constructor(send: (question: StoreQuestion) => void) {
    this.#send = send;
  }

  receive({ answer, value, error }: StoreAnswer): void {
    const waiting = this.#waiting.get(answer);
    this.#waiting.delete(answer);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new HostError(error));
  }

  /** Asks for the machine's facts first: a store knows them from the beginning. */
  async open(): Promise<TuningStore> {
    const machine = (await this.#ask({ kind: "machine" })) as TuningStore["machine"];
    return {
      machine,
      load: (folder, key) => this.#ask({ kind: "load", machine: folder, key }),
      store: async (folder, key, entry) => {
        await this.#ask({ kind: "store", machine: folder, key, entry });
      },
    };
  }

  #ask(asked: Asked): Promise<unknown> {
    const question = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(question, { resolve, reject });
      this.#send({ ...asked, question });
    });
  }
}
