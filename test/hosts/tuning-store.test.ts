import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { TuneEntry } from "../../src/engines/tune/types.ts";
import { FormatError, UnavailableError } from "../../src/errors.ts";
import { nodeTuningStore } from "../../src/hosts/tuning-store.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

const entry = (winner: string): TuneEntry => ({
  schema: "slimbench/tuning@1",
  key: "k",
  machine: {},
  default: "a",
  winner,
  gain: 1,
  rounds: 1,
  samplesMs: { a: [1.5], b: [2.5] },
  excluded: [],
});

describe("nodeTuningStore", () => {
  it("gives back what it was given, and nothing where nothing was", async () => {
    const store = nodeTuningStore([join(folder, "one")]);
    expect(await store.load("machine", "key")).toBeUndefined();
    await store.store("machine", "key", entry("a"));
    expect(await store.load("machine", "key")).toEqual(entry("a"));
    expect(await store.load("other", "key")).toBeUndefined();
    expect(store.machine).toMatchObject({ v8: process.versions.v8, arch: process.arch });
  });

  it("says which file is damaged", async () => {
    const root = join(folder, "damaged");
    mkdirSync(join(root, "machine"), { recursive: true });
    writeFileSync(join(root, "machine", "key.json"), '{"schema": "slimb');
    const failure = await nodeTuningStore([root])
      .load("machine", "key")
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(FormatError);
    expect((failure as FormatError).message).toMatch(/damaged\/machine\/key\.json: is damaged/);
  });

  it("lets many write at once: every file is whole, none is left over", async () => {
    const root = join(folder, "many");
    const stores = Array.from({ length: 8 }, () => nodeTuningStore([root]));
    await Promise.all(stores.flatMap((store, i) => ["x", "y", `own${i}`].map((key) => store.store("machine", key, entry(`w${i}`)))));
    const files = readdirSync(join(root, "machine"));
    expect(files.filter((file) => !file.endsWith(".json"))).toEqual([]);
    expect(files).toHaveLength(2 + 8);
    for (const file of files)
      expect(await stores[0]!.load("machine", file.replace(/\.json$/, ""))).toMatchObject({ schema: "slimbench/tuning@1" });
  });

  it("keeps long keys apart", async () => {
    const store = nodeTuningStore([join(folder, "long")]);
    const long = "k".repeat(400);
    await store.store("machine", `${long}-1`, entry("a"));
    await store.store("machine", `${long}-2`, entry("b"));
    expect(await store.load("machine", `${long}-1`)).toMatchObject({ winner: "a" });
  });

  it("falls back to the second folder, and says what it tried where none can be written", async () => {
    const file = join(folder, "a-file");
    writeFileSync(file, "");
    const second = join(folder, "second");
    await nodeTuningStore([join(file, "x"), second]).store("machine", "key", entry("a"));
    expect(readdirSync(join(second, "machine"))).toEqual(["key.json"]);
    const failure = await nodeTuningStore([join(file, "x")])
      .store("machine", "key", entry("a"))
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UnavailableError);
    expect((failure as UnavailableError).message).toMatch(/tried .*a-file\/x: ENOTDIR/);
  });

  it.skipIf(process.getuid?.() === 0)("leaves a folder without permission alone", async () => {
    const locked = join(folder, "locked");
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    await expect(nodeTuningStore([locked]).store("machine", "key", entry("a"))).rejects.toBeInstanceOf(UnavailableError);
    chmodSync(locked, 0o700);
  });
});
