/** A page's tuning store: what it asks for crosses as bytes and comes out of turn; failures arrive as what they were. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { TuneEntry } from "../../src/engines/tune/types.ts";
import { SlimbenchError } from "../../src/errors.ts";
import { FarStore, answerStoreQuestion, isStoreAnswer, isStoreQuestion } from "../../src/hosts/far-store.ts";
import type { StoreAnswer, StoreQuestion } from "../../src/hosts/far-store.ts";
import { browserMachine, nodeTuningStore } from "../../src/hosts/tuning-store.ts";
import { decodeMessage, encodeMessage } from "../../src/hosts/wire.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-far-"));
afterAll(() => rmSync(folder, { recursive: true }));

const ENTRY: TuneEntry = {
  schema: "slimbench/tuning@1",
  key: "layer",
  machine: { cpu: "x" },
  default: "a",
  winner: "b",
  gain: 1.5,
  rounds: 2,
  samplesMs: { a: [0.3, 0.31], b: [0.2, 0.21] },
  excluded: [{ kernel: "c", why: "wrong" }],
};

/** Both sides with the wire between them; `delay` turns answers around. */
function connect(root: string, delay: (at: number) => number = () => 0): { readonly far: FarStore; readonly sent: StoreQuestion[] } {
  const near = nodeTuningStore([root], browserMachine("Chrome/147", ["--flag"]));
  const sent: StoreQuestion[] = [];
  const far = new FarStore((question) => {
    const crossed = decodeMessage(encodeMessage(question)) as object;
    if (!isStoreQuestion(crossed)) throw new Error("not a question");
    const wait = delay(sent.push(crossed));
    void answerStoreQuestion(near, crossed).then((answer) =>
      setTimeout(() => {
        const back = decodeMessage(encodeMessage(answer)) as object;
        if (isStoreAnswer(back)) far.receive(back);
      }, wait),
    );
  });
  return { far, sent };
}

describe("FarStore", () => {
  it("knows the near side's machine, stores there, and finds what it stored", async () => {
    const root = join(folder, "one");
    const store = await connect(root).far.open();
    expect(store.machine).toMatchObject({ browser: "Chrome/147", flags: "--flag", platform: process.platform });
    expect(store.machine).not.toHaveProperty("v8");
    expect(await store.load("machine", "layer")).toBeUndefined();
    await store.store("machine", "layer", ENTRY);
    expect(readdirSync(join(root, "machine"))).toEqual(["layer.json"]);
    expect(await store.load("machine", "layer")).toEqual(ENTRY);
  });

  it("matches answers that come in another order than the questions", async () => {
    const root = join(folder, "two");
    await nodeTuningStore([root]).store("machine", "layer", ENTRY);
    const { far, sent } = connect(root, (at) => (at === 2 ? 20 : 0));
    const store = await far.open();
    const [known, unknown] = await Promise.all([store.load("machine", "layer"), store.load("machine", "other")]);
    expect(known).toEqual(ENTRY);
    expect(unknown).toBeUndefined();
    expect(sent.map(({ question }) => question)).toEqual([1, 2, 3]);
  });

  it("rejects with the near side's failure, as an error that tuning expects", async () => {
    const root = join(folder, "three");
    const store = await connect(root).far.open();
    await store.store("machine", "layer", ENTRY);
    writeFileSync(join(root, "machine", "layer.json"), "{");
    const failure: unknown = await store.load("machine", "layer").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SlimbenchError);
    expect((failure as SlimbenchError).code).toBe("bad-file");
    expect((failure as SlimbenchError).message).toMatch(/layer\.json: is damaged/);
  });

  it("ignores an answer that nobody waits for", () => {
    const far = new FarStore(() => undefined);
    const stray: StoreAnswer = { answer: 7, value: 1 };
    expect(() => far.receive(stray)).not.toThrow();
  });
});
