import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommanderError } from "commander";
import type { Command } from "commander";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { compareCommand } from "../../src/cli/compare.ts";
import { reportCommand } from "../../src/cli/report.ts";
import { FormatError } from "../../src/errors.ts";
import { writeResult } from "../../src/results/store.ts";
import { environment, latency, okRecord, resultOf } from "./fixtures.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-results-"));
const path = (name: string): string => join(folder, name);
writeResult(path("base.json"), resultOf([okRecord({ latencyMs: latency(2, 0.01) })]));
writeResult(path("slow.json"), resultOf([okRecord({ latencyMs: latency(2.3, 0.01) })]));
writeResult(path("other.json"), resultOf([okRecord({})], { ...environment, cpuModel: "Other" }));
writeFileSync(path("cut.json"), '{"schema": "slimbench/result@1", "rec');

const exitCodeBefore = process.exitCode;
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = exitCodeBefore;
});

function run(command: Command, args: readonly string[]): { readonly text: string; readonly exitCode: unknown } {
  let text = "";
  vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  process.exitCode = undefined;
  command.exitOverride().configureOutput({ writeErr: () => undefined }).parse(args, { from: "user" });
  const { exitCode } = process;
  process.exitCode = exitCodeBefore;
  vi.restoreAllMocks();
  return { text, exitCode };
}

describe("bench compare", () => {
  it.each([
    ["base.json", "base.json", [], 0, "1 same (latency threshold 5 %): nothing regressed"],
    ["base.json", "slow.json", [], 1, "1 regression (latency threshold 5 %): something regressed"],
    ["base.json", "slow.json", ["--threshold", "20"], 0, "1 same (latency threshold 20 %): nothing regressed"],
    ["slow.json", "base.json", [], 0, "1 improvement (latency threshold 5 %): nothing regressed"],
    ["base.json", "other.json", [], 3, "cpuModel: base Test CPU 3000, current Other"],
  ])("%s against %s %j exits %i", (base, current, options, exitCode, message) => {
    const result = run(compareCommand(), [path(base), path(current), ...options]);
    expect(result.exitCode).toBe(exitCode);
    expect(result.text).toContain(message);
  });

  it("prints JSON", () => {
    const { text } = run(compareCommand(), [path("base.json"), path("slow.json"), "--format", "json"]);
    expect(JSON.parse(text)).toMatchObject({ exitCode: 1, rows: [{ verdict: "regression", latency: { base: 2, current: 2.3 } }] });
  });

  it("rejects broken files and options", () => {
    expect(() => run(compareCommand(), [path("cut.json"), path("base.json")])).toThrow(FormatError);
    expect(() => run(compareCommand(), [path("base.json"), path("none.json")])).toThrow("none.json: cannot be read, no such file");
    for (const threshold of ["", "x", "-1"]) {
      expect(() => run(compareCommand(), [path("base.json"), path("base.json"), `--threshold=${threshold}`])).toThrow(CommanderError);
    }
    expect(() => run(compareCommand(), [path("base.json"), path("base.json"), "--format", "html"])).toThrow("Allowed choices are table, json, md, csv");
  });
});

describe("bench report", () => {
  it("prints one or several results", () => {
    expect(run(reportCommand(), [path("base.json")]).text).toContain("lenet5");
    expect(run(reportCommand(), [path("base.json"), path("other.json")]).text.match(/slimbench 0\.1\.0/g)).toHaveLength(2);
    expect(run(reportCommand(), [path("base.json"), path("slow.json"), "--format", "csv"]).text.split("\r\n")).toHaveLength(4);
  });

  it("writes a file", () => {
    run(reportCommand(), [path("base.json"), "--format", "md", "--out", path("r.md")]);
    expect(readFileSync(path("r.md"), "utf8")).toContain("### lenet5");
    expect(() => run(reportCommand(), [path("base.json"), "--out", path("no/r.md")])).toThrow("does not exist. Create it first");
  });

  it("rejects a broken file", () => {
    expect(() => run(reportCommand(), [path("cut.json")])).toThrow("cut.json: not valid JSON, the file ends early");
  });
});
