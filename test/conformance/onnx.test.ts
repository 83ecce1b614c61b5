/**
 * ONNX's own operator tests on the CPU engine, from Debian's libonnx-testdata. Every test of a supported op passes or is excluded by
 * name with a reason. Skipped where the folder is missing, except in CI, which installs it.
 */
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  compareTensors,
  countVerdicts,
  formatCounts,
  listTests,
  readExclusions,
  runTest,
  type TestResult,
} from "../../tools/conformance-runner.ts";

const ROOT = "/usr/share/libonnx-testdata/data";
const FOLDERS = ["node", "pytorch-operator", "pytorch-converted", "simple"];
const missing = !existsSync(`${ROOT}/node`);

if (missing) {
  const inCi = (process.env["CI"] ?? "") !== "";
  describe("ONNX operator tests", () => {
    it.skipIf(!inCi)(`need the folder ${ROOT} (apt-get install libonnx-testdata)`, () => {
      expect.fail(`${ROOT} is missing. Install libonnx-testdata.`);
    });
  });
}

describe.skipIf(missing)("ONNX operator tests", () => {
  const exclusions = readExclusions();
  /** What must at least pass, so that a reader that skips everything fails. */
  const least: Readonly<Record<string, number>> = { node: 400, "pytorch-operator": 30, "pytorch-converted": 55, simple: 4 };

  it.each(FOLDERS)("%s", async (name) => {
    const folder = `${ROOT}/${name}`;
    const results: TestResult[] = [];
    for (const test of listTests(folder)) results.push(await runTest(folder, test, exclusions));
    process.stdout.write(`${name}: ${formatCounts(results)}\n`);
    expect(results.filter((r) => r.verdict === "failed")).toEqual([]);
    expect(countVerdicts(results).passed).toBeGreaterThanOrEqual(least[name]!);
  });

  it("every exclusion names a test that exists and still does not pass", async () => {
    const known = new Map(FOLDERS.flatMap((name) => listTests(`${ROOT}/${name}`).map((test) => [test, `${ROOT}/${name}`] as const)));
    for (const name of Object.keys(exclusions)) {
      const folder = known.get(name);
      expect(folder, `${name} is no test`).toBeDefined();
      expect((await runTest(folder!, name, {})).verdict, `${name} passes, take it off the list`).toBe("failed");
    }
  });
});

describe("comparison of tensors", () => {
  const floats = { dtype: "float32" as const, shape: [3], data: Float32Array.of(1, -100, NaN) };
  const integers = { dtype: "int8" as const, shape: [2], data: Int8Array.of(1, 2) };

  it("accepts equal ones and float rounding", () => {
    expect(compareTensors(floats, floats, 1e-5)).toBe("");
    expect(compareTensors({ ...floats, data: Float32Array.of(1.000001, -100.0005, NaN) }, floats, 1e-5)).toBe("");
    expect(compareTensors(integers, integers, 1e-5)).toBe("");
  });

  it.each([
    ["another value", { ...floats, data: Float32Array.of(1.001, -100, NaN) }, floats, "element 0 is 1.0"],
    ["NaN for a number", { ...floats, data: Float32Array.of(NaN, -100, NaN) }, floats, "element 0 is NaN, expected 1"],
    ["a number for NaN", { ...floats, data: Float32Array.of(1, -100, 0) }, floats, "element 2 is 0, expected NaN"],
    ["one integer step", { ...integers, data: Int8Array.of(1, 3) }, integers, "element 1 is 3, expected 2"],
    ["another shape", { ...floats, shape: [1, 3] }, floats, "shape [1, 3], expected [3]"],
    ["another type", { ...integers, dtype: "uint8" as const }, integers, "type uint8, expected int8"],
  ])("refuses %s", (_, actual, expected, message) => {
    expect(compareTensors(actual, expected, 1e-5)).toContain(message);
  });
});
