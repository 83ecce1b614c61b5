import { describe, expect, it } from "vitest";
import { compareResults } from "../../src/results/compare.ts";
import type { CompareRow, Verdict } from "../../src/results/compare.ts";
import type { OkRecord, Result, ResultRecord } from "../../src/results/schema.ts";
import { environment, latency, okRecord, resultOf, without } from "./fixtures.ts";

function compareOne(base: ResultRecord, current: ResultRecord, thresholdPercent?: number): CompareRow {
  const { rows } = compareResults(resultOf([base]), resultOf([current]), thresholdPercent === undefined ? {} : { thresholdPercent });
  return rows[0]!;
}

const withLatency = (median: number, spread: number): OkRecord => okRecord({ latencyMs: latency(median, spread) });

describe("latency", () => {
  it.each<[string, number, number, number, number, Verdict]>([
    ["the same numbers", 2, 0.05, 2, 0.05, "same"],
    ["slower, intervals apart, beyond 5 %", 2, 0.05, 2.2, 0.05, "regression"],
    ["faster, intervals apart, beyond 5 %", 2, 0.05, 1.8, 0.05, "improvement"],
    ["slower, intervals apart, within 5 %", 2, 0.01, 2.08, 0.01, "same"],
    ["slower beyond 5 %, intervals overlap", 2, 0.2, 2.2, 0.2, "unknown"],
    ["intervals that touch overlap", 2, 0.25, 2.5, 0.25, "unknown"],
    ["slower within 5 %, intervals overlap", 2, 0.2, 2.05, 0.2, "same"],
  ])("%s", (_, base, spread, current, otherSpread, verdict) => {
    expect(compareOne(withLatency(base, spread), withLatency(current, otherSpread)).latency?.verdict).toBe(verdict);
  });

  it.each<[string, readonly number[], readonly number[], Verdict]>([
    ["slower in every process, by more than they differ", [2, 2.01, 2.02], [2.2, 2.21, 2.22], "regression"],
    ["faster in every process", [2, 2.01, 2.02], [1.7, 1.71, 1.72], "improvement"],
    // Within each process the samples hardly differ, so that intervals of samples would call this a regression.
    ["slower, and so was one of the base's processes", [1, 1, 2], [1, 2, 2], "unknown"],
    ["one process more on one side", [2, 2.01], [2.2, 2.21, 2.22], "regression"],
    ["within the threshold", [2, 2.01, 2.02], [2.05, 2.06, 2.07], "same"],
  ])("of processes, %s", (_, base, current, verdict) => {
    const of = (processes: readonly number[]): OkRecord => {
      const median = [...processes].sort((a, b) => a - b)[1]!;
      return okRecord({ latencyMs: { ...latency(median, 0.001), processes } });
    };
    expect(compareOne(of(base), of(current)).latency?.verdict).toBe(verdict);
  });

  it("goes by intervals where one side had a single process", () => {
    const several = okRecord({ latencyMs: { ...latency(2, 0.05), processes: [1.99, 2, 2.01] } });
    expect(compareOne(several, withLatency(2.2, 0.05)).latency?.verdict).toBe("regression");
    expect(compareOne(several, withLatency(2.2, 0.3)).latency).toMatchObject({ verdict: "unknown", note: "too noisy: the intervals overlap" });
  });

  it("takes the threshold from its caller", () => {
    const [base, current] = [withLatency(2, 0.01), withLatency(2.2, 0.01)];
    expect(compareOne(base, current, 15).latency?.verdict).toBe("same");
    expect(compareOne(base, current, 1).latency).toMatchObject({ verdict: "regression", base: 2, current: 2.2 });
    expect(compareOne(base, current, 1).latency?.change).toBeCloseTo(10, 10);
  });

  it("concludes nothing without an interval", () => {
    const few = without(latency(2), "ci95");
    const row = compareOne(okRecord({ latencyMs: { ...few, n: 3 } }), okRecord({ latencyMs: latency(9) }));
    expect(row.latency).toMatchObject({ verdict: "unknown", note: "too few samples for an interval: 3 and 20, at least 6 needed" });
    expect(row.verdict).toBe("unknown");
  });
});

describe("exact metrics", () => {
  const size = okRecord({}).size!;
  it.each<[string, Partial<OkRecord>, Verdict, string]>([
    ["a larger file", { size: { ...size, fileBytes: 250_001 } }, "regression", "size"],
    ["a smaller file", { size: { ...size, fileBytes: 1 } }, "improvement", "size"],
    ["lower accuracy", { accuracy: { metric: "top1", value: 0.99, n: 10_000, of: 10_000 } }, "regression", "accuracy"],
    ["higher accuracy", { accuracy: { metric: "top1", value: 0.9902, n: 10_000, of: 10_000 } }, "improvement", "accuracy"],
    ["accuracy on other samples", { accuracy: { metric: "top1", value: 0.5, n: 500, of: 10_000 } }, "unknown", "accuracy"],
    ["lost bits", { parity: { against: "cpu", exact: false, maxAbsError: 1e-6, tolerance: 1e-5, pass: true } }, "regression", "parity"],
    ["failed parity", { parity: { against: "cpu", exact: false, maxAbsError: 1, tolerance: 1e-5, pass: false } }, "regression", "parity"],
    ["nothing", {}, "same", "size"],
  ])("%s", (_, change, verdict, metric) => {
    const row = compareOne(okRecord({}), okRecord(change));
    expect(row.verdict).toBe(verdict === "unknown" ? "same" : verdict);
    expect(row[metric as "size" | "accuracy" | "parity"]?.verdict).toBe(verdict);
  });

  it("leaves out what one side did not measure", () => {
    const bare = without(okRecord({}), "size", "accuracy", "parity");
    expect(Object.keys(compareOne(okRecord({}), bare))).toEqual(["model", "recipe", "target", "verdict", "latency"]);
  });
});

describe("rows", () => {
  const failed: ResultRecord = { model: "lenet5", recipe: "fp32", target: "cpu", status: "failed", reason: { code: "crash", message: "killed", remedy: "" } };
  const unavailable: ResultRecord = { ...failed, status: "unavailable", reason: { code: "no-adapter", message: "none", remedy: "" } };

  it.each<[ResultRecord, ResultRecord, Verdict]>([
    [okRecord({}), failed, "regression"],
    [okRecord({}), unavailable, "regression"],
    [failed, okRecord({}), "improvement"],
    [unavailable, unavailable, "unknown"],
    [unavailable, failed, "unknown"],
  ])("%#: a change of status is a verdict", (base, current, verdict) => {
    expect(compareOne(base, current).verdict).toBe(verdict);
  });

  it("says what became of a lost row", () => {
    expect(compareOne(okRecord({}), failed).note).toBe("was ok, is failed (crash): killed");
  });

  it("reports missing and new rows without failing", () => {
    const base = resultOf([okRecord({ target: "cpu" }), okRecord({ target: "wasm" })]);
    const current = resultOf([okRecord({ target: "cpu" }), okRecord({ target: "webgpu" })]);
    const { rows, exitCode } = compareResults(base, current);
    expect(rows.map((r) => [r.target, r.verdict])).toEqual([
      ["cpu", "same"],
      ["wasm", "missing"],
      ["webgpu", "new"],
    ]);
    expect(exitCode).toBe(0);
  });
});

describe("exit code", () => {
  it("is 1 with a regression, whatever else improved", () => {
    const base = resultOf([withLatency(2, 0.01), okRecord({ target: "wasm", latencyMs: latency(2, 0.01) })]);
    const current = resultOf([withLatency(1, 0.01), okRecord({ target: "wasm", latencyMs: latency(3, 0.01) })]);
    expect(compareResults(base, current).exitCode).toBe(1);
    expect(compareResults(base, base).exitCode).toBe(0);
  });

  it("is 3 when nothing could be concluded", () => {
    expect(compareResults(resultOf([withLatency(2, 1)]), resultOf([withLatency(3, 1)])).exitCode).toBe(3);
    expect(compareResults(resultOf([okRecord({})]), resultOf([okRecord({ model: "other" })])).exitCode).toBe(3);
    expect(compareResults(resultOf([]), resultOf([])).exitCode).toBe(3);
    const unavailable: ResultRecord = {
      ...{ model: "m", recipe: "fp32", target: "webgpu", status: "unavailable" },
      reason: { code: "no-adapter", message: "none", remedy: "" },
    };
    expect(compareResults(resultOf([unavailable]), resultOf([unavailable])).exitCode).toBe(3);
  });

  it("refuses another environment and lists what differs", () => {
    const other = { ...environment, cpuModel: "Other CPU", cpuCount: 8, memoryBytes: 1, osRelease: "7" };
    const unrecorded = without(other, "v8");
    const comparison = compareResults(resultOf([okRecord({})]), resultOf([withLatency(99, 0.1)], unrecorded));
    expect(comparison).toEqual({
      thresholdPercent: 5,
      differences: [
        { what: "cpuModel", base: "Test CPU 3000", current: "Other CPU" },
        { what: "cpuCount", base: "2", current: "8" },
        { what: "v8", base: "11.3.244.8", current: "not recorded" },
      ],
      rows: [],
      exitCode: 3,
    });
  });

  it("never compares a software GPU with hardware", () => {
    const gpu = (adapter: string, software: boolean): OkRecord => okRecord({ target: "webgpu", device: { adapter, software } });
    const comparison = compareResults(resultOf([gpu("SwiftShader", true)]), resultOf([gpu("Radeon", false)]));
    expect(comparison.differences).toEqual([{ what: "adapter of webgpu", base: "SwiftShader (software)", current: "Radeon" }]);
    expect(comparison.exitCode).toBe(3);
    expect(compareResults(resultOf([gpu("Radeon", false)]), resultOf([gpu("Radeon", false)])).exitCode).toBe(0);
  });

  it("compares browser targets within one version of the browser only", () => {
    const inBrowser = (browser: string, target: string): Result =>
      resultOf([okRecord({ target })], { ...environment, engines: { [target]: { available: true, facts: { browser } } } });
    const comparison = compareResults(inBrowser("Chrome/147", "wasm@chrome"), inBrowser("Chrome/148", "wasm@chrome"));
    expect(comparison.differences).toEqual([{ what: "browser of wasm@chrome", base: "Chrome/147", current: "Chrome/148" }]);
    expect(compareResults(inBrowser("Chrome/147", "wasm@chrome"), inBrowser("Chrome/147", "wasm@chrome")).exitCode).toBe(0);
  });
});
