/**
 * The near side of the protocol, whatever carries it: numbers requests, matches replies, and calls for the end of a far side that
 * shows no sign of life.
 */
import type { HostOptions } from "./host.ts";
import { HostError } from "./protocol.ts";
import type { CommandName, Commands, Reply, Request } from "./protocol.ts";

interface Pending {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
  readonly kind: CommandName;
}

export class Conversation {
  readonly #send: (request: Request, failed: (error: Error) => void) => void;
  readonly #onSilence: () => void;
  readonly #options: HostOptions;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  /** Why the far side is gone, once it is. */
  #gone: HostError | undefined;

  /** @param send calls `failed` when a request cannot be sent though the far side is there */
  constructor(options: HostOptions, send: (request: Request, failed: (error: Error) => void) => void, onSilence: () => void) {
    this.#options = options;
    this.#send = send;
    this.#onSilence = onSilence;
  }

  /** What the far side is busy with. */
  get during(): CommandName | "idle" {
    return [...this.#pending.values()][0]?.kind ?? "idle";
  }

  get isOver(): boolean {
    return this.#gone !== undefined;
  }

  /** @throws HostError */
  request<K extends CommandName>(kind: K, args: Commands[K]["args"]): Promise<Commands[K]["result"]> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const id = this.#nextId++;
    return new Promise<Commands[K]["result"]>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, kind });
      this.#watch();
      this.#send({ id, kind, args }, (error) => this.#settle(id)?.reject(error));
    });
  }

  receive(reply: Reply): void {
    this.#watch();
    if (reply.type === "progress") {
      this.#options.onProgress?.(reply.progress);
      return;
    }
    const pending = this.#settle(reply.id);
    if (reply.type === "error") pending?.reject(new HostError(reply.error));
    else pending?.resolve(reply.result as never);
  }

  /** The far side is gone: everything asked and everything to be asked fails with `error`. Only the first call counts. */
  end(error: HostError): void {
    clearTimeout(this.#watchdog);
    if (this.#gone !== undefined) return;
    this.#gone = error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) clearTimeout(this.#watchdog);
    return pending;
  }

  /** Restarts the countdown. */
  #watch(): void {
    clearTimeout(this.#watchdog);
    if (this.#pending.size > 0) this.#watchdog = setTimeout(this.#onSilence, this.#options.silenceMs);
  }
}

/** A failure of the host itself, as opposed to one that it reports. */
export function hostFailure(code: string, message: string, remedy = ""): HostError {
  return new HostError({ code, message, remedy, exitCode: 4, unavailable: false });
}

export function silenceFailure(who: string, silenceMs: number, during: string): HostError {
  return hostFailure(
    "timeout",
    `${who}: no sign of life for ${silenceMs / 1000} s during ${during}, so it was ended`,
    "Raise --timeout or use a smaller model",
  );
}

export function memoryFailure(who: string, during: string, how: string): HostError {
  return hostFailure("out-of-memory", `${who}: ran out of memory during ${during} (${how})`, "Use a smaller model or close other programs");
}
