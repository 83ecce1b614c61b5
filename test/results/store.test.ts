import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { FormatError, UsageError } from "../../src/errors.ts";
import type { Result } from "../../src/results/schema.ts";
import { checkResult, parseResult, readResult, writeFileAtomic, writeResult } from "../../src/results/store.ts";
import { resultText } from "../../src/results/text.ts";
import { okRecord, resultOf } from "./fixtures.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-store-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sample: Result = resultOf([
  okRecord({ model: "lenet5", recipe: "fp32", target: "cpu" }),
  { model: "lenet5", recipe: "fp32", target: "webgpu", status: "unavailable", reason: { code: "no-adapter", message: "no adapter", remedy: "" } },
]);

describe("result store", () => {
  it("reads what it wrote and leaves nothing else behind", () => {
    const path = join(folder, "r.json");
    writeResult(path, sample);
    expect(readResult(path)).toEqual(sample);
    expect(readdirSync(folder)).toEqual(["r.json"]);
  });

  it("puts each list of numbers on one line, and nothing else", () => {
    const value = { samples: [1, -2.5, 3e-7], empty: [], mixed: [1, "a"], nested: [[1, 2], []], text: "[\n 1,\n 2\n]", more: "[" };
    const text = resultText(value);
    expect(JSON.parse(text)).toEqual(value);
    expect(text).toContain('"samples": [1, -2.5, 3e-7]');
    expect(text.split("\n")).toHaveLength(15);
  });

  it("keeps fields that it does not know", () => {
    const grown = { ...sample, extra: 1, records: [{ ...sample.records[0], latencyMs: { ...okRecord({}).latencyMs, p999: 7 }, thermal: "hot" }] };
    const back = parseResult(JSON.stringify(grown), "r.json");
    expect(JSON.parse(JSON.stringify(back))).toEqual(JSON.parse(JSON.stringify(grown)));
  });

  it.each([
    ["", "r.json: empty file, expected a slimbench/result@1 document. Run the benchmark again with --out"],
    ["[1]", 'r.json: got a list of 1, expected an object with "schema": "slimbench/result@1"'],
    ['{"schema":"slimbench/result@2"}', 'r.json: schema: got "slimbench/result@2", expected "slimbench/result@1". Use the slimbench version that wrote it'],
    ['{"records":[]}', 'r.json: schema: got nothing, expected "slimbench/result@1". This is not a slimbench result'],
  ])("rejects %j", (text, message) => {
    expect(() => parseResult(text, "r.json")).toThrow(new FormatError(message));
  });

  it("says that a truncated file is truncated", () => {
    const text = JSON.stringify(sample);
    expect(() => parseResult(text.slice(0, 200), "r.json")).toThrow("r.json: not valid JSON, the file ends early (200 characters)");
    for (let cut = 1; cut < text.length; cut += 37) expect(() => parseResult(text.slice(0, cut), "r.json")).toThrow(FormatError);
  });

  it.each<[string, (r: Record<string, unknown>) => void, RegExp]>([
    ["a wrong type", (r) => ((r["latencyMs"] as Record<string, unknown>)["median"] = "fast"), /^r\.json: records\[0\]\.latencyMs\.median: .*got "fast"/],
    ["an unknown status", (r) => (r["status"] = "great"), /^r\.json: records\[0\]\.status: .*got "great"/],
    ["a missing reason", (r) => (r["status"] = "failed"), /^r\.json: records\[0\]\.reason: .*got nothing/],
    ["a missing latency", (r) => delete r["latencyMs"], /^r\.json: records\[0\]\.latencyMs: .*got nothing/],
    ["an empty model name", (r) => (r["model"] = ""), /^r\.json: records\[0\]\.model: /],
    ["NaN", (r) => ((r["size"] as Record<string, unknown>)["fileBytes"] = Number.NaN), /^r\.json: records\[0\]\.size\.fileBytes: .*got NaN/],
  ])("names the path of %s", (_, spoil, message) => {
    const value = structuredClone(sample) as unknown as { records: Record<string, unknown>[] };
    const record = value.records[0];
    if (record === undefined) throw new Error("no record");
    spoil(record);
    expect(() => checkResult(value, "r.json")).toThrow(message);
  });

  it("refuses to write an invalid result and leaves the old file", () => {
    const path = join(folder, "keep.json");
    writeFileSync(path, "old");
    const bad = { ...sample, createdAt: 5 } as unknown as Result;
    expect(() => writeResult(path, bad)).toThrow("createdAt");
    expect(readFileSync(path, "utf8")).toBe("old");
  });

  it("explains a missing parent folder, a folder as file and a missing file", () => {
    expect(() => writeResult(join(folder, "no", "r.json"), sample)).toThrow(
      new UsageError(`--out ${join(folder, "no", "r.json")}: cannot be written, the folder ${join(folder, "no")} does not exist. Create it first`),
    );
    expect(() => writeResult(folder, sample)).toThrow("it is a folder");
    expect(existsSync(`${folder}.${process.pid}.tmp`)).toBe(false);
    expect(() => readResult(join(folder, "none.json"))).toThrow("none.json: cannot be read, no such file. Check the path");
    expect(() => readResult(folder)).toThrow("is a folder, expected a file");
  });

  it.runIf(existsSync("/dev/full"))("says that the disk is full, and writes devices in place", () => {
    expect(() => writeFileAtomic("/dev/full", "new", "--out")).toThrow("--out /dev/full: cannot be written, the disk is full. Free space or name another place");
    expect(existsSync("/dev/full")).toBe(true);
    writeFileAtomic("/dev/null", "new", "--out");
  });

  it("follows a link", () => {
    const path = join(folder, "real.json");
    writeFileSync(path, "old");
    symlinkSync(path, join(folder, "link.json"));
    writeFileAtomic(join(folder, "link.json"), "new", "--out");
    expect(readFileSync(path, "utf8")).toBe("new");
  });
});
