/** Whole runs in child processes: what a record holds, what happens when a child dies, resuming, interrupting. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makePlan } from "../../src/harness/plan.ts";
import type { PlanRequest } from "../../src/harness/plan.ts";
import { silentReporter } from "../../src/harness/progress.ts";
import { runPlan } from "../../src/harness/run.ts";
import type { RunOptions, RunOutcome } from "../../src/harness/run.ts";
import { recordKey } from "../../src/results/schema.ts";
import type { OkRecord, Result, ResultRecord } from "../../src/results/schema.ts";
import { checkResult } from "../../src/results/store.ts";
import { median as medianOf } from "../../src/stats/describe.ts";
import { makeFixture } from "./fixture.ts";

const fixture = makeFixture();
afterAll(() => rmSync(fixture.folder, { recursive: true }));

const CRASH_IN_SECOND = new URL("../hosts/children/crash-in-second.mjs", import.meta.url).pathname;
const CRASH_IN_TIMING = new URL("../hosts/children/crash-in-timing.mjs", import.meta.url).pathname;

function run(request: Partial<PlanRequest>, options: Partial<RunOptions> = {}): Promise<RunOutcome> {
  const plan = makePlan({ preset: "quick", seed: 1, models: [fixture.model], dataset: fixture.dataset, ...request });
  return runPlan(plan, { reporter: silentReporter, silenceMs: 60_000, signal: new AbortController().signal, ...options });
}

function okOf(record: ResultRecord | undefined): OkRecord {
  if (record?.status !== "ok") throw new Error(`not ok: ${JSON.stringify(record)}`);
  return record;
}

describe("runPlan", () => {
  it("measures every record completely and gives a valid result", async () => {
    const seen: number[] = [];
    const { result, interrupted } = await run(
      { recipes: ["fp32", "int8"], targets: ["cpu", "wasm"] },
      { onProgress: (partial) => seen.push(partial.records.length) },
    );
    expect(interrupted).toBe(false);
    expect(seen).toEqual([1, 2, 3, 4]);
    expect(() => checkResult(JSON.parse(JSON.stringify(result)), "test")).not.toThrow();
    expect(result.records.map(recordKey)).toEqual(["net fp32 cpu", "net fp32 wasm", "net int8 cpu", "net int8 wasm"]);
    for (const record of result.records.map(okOf)) {
      expect(record.parity).toMatchObject({ against: "cpu", pass: true });
      expect(record.latencyMs.n).toBeGreaterThanOrEqual(20);
      expect(record.latencyMs.ci95).toBeDefined();
      expect(record.accuracy).toMatchObject({ metric: "top1", n: 120, of: 120 });
      expect(record.memoryBytes?.weights).toBeGreaterThan(0);
      expect(record.memoryBytes?.rssPeak).toBeGreaterThan(1e7);
      expect(record.coldMs?.compile).toBeGreaterThan(0);
      expect(record.size?.brotliBytes).toBeGreaterThan(0);
      expect(record.kernels.length).toBeGreaterThan(0);
    }
    const [fp32, , int8, int8Wasm] = result.records.map(okOf);
    expect(fp32?.accuracy?.value).toBeCloseTo(0.9, 1);
    expect(fp32?.accuracy?.reference).toBeUndefined();
    expect(int8?.accuracy?.reference).toBe(fp32?.accuracy?.value);
    expect(int8?.accuracy?.agreement).toBeGreaterThan(0.95);
    expect(int8?.accuracy?.sqnrDb).toBeGreaterThan(20);
    expect(int8Wasm?.parity?.exact).toBe(true);
    expect(int8?.size?.weightBytes).toBeLessThan((fp32?.size?.weightBytes ?? 0) / 2);
    expect(result.config).toMatchObject({ preset: "quick", seed: 1, targets: ["cpu", "wasm"] });
  });

  it("turns a child that dies into a failed record, keeps what was measured, and goes on", async () => {
    const { result } = await run({ recipes: ["fp32"], targets: ["wasm", "cpu"] }, { childPath: CRASH_IN_TIMING });
    const [dead, alive] = result.records;
    expect(dead).toMatchObject({ target: "wasm", status: "failed", reason: { code: "child-crashed" }, parity: { pass: true } });
    expect(dead?.status === "failed" && dead.reason.message).toMatch(/crashed during time \(signal SIGSEGV\)/);
    expect(dead?.latencyMs).toBeUndefined();
    expect(alive?.status).toBe("ok");
  });

  it("times in several processes, and describes what they say together", async () => {
    const { result } = await run({ recipes: ["fp32"], targets: ["wasm"], processes: 2 });
    const { processes = [], processSamples = [], samples, n, median, ci95 } = okOf(result.records[0]).latencyMs;
    expect(processes).toHaveLength(2);
    expect(processSamples.reduce((a, b) => a + b)).toBe(n);
    const [first = 0] = processSamples;
    expect(medianOf(samples.slice(0, first))).toBe(processes[0]);
    expect(medianOf(samples.slice(first))).toBe(processes[1]);
    expect(median).toBeCloseTo((processes[0]! + processes[1]!) / 2, 12);
    expect(ci95?.[0]).toBeLessThanOrEqual(Math.min(...processes));
    expect(ci95?.[1]).toBeGreaterThanOrEqual(Math.max(...processes));
    expect(result.config).toMatchObject({ processes: 2 });
    const one = okOf((await run({ recipes: ["fp32"], targets: ["wasm"], processes: 1 })).result.records[0]).latencyMs;
    expect(one.processes).toBeUndefined();
    expect(one.n).toBeGreaterThanOrEqual(20);
  });

  it("does not call a record ok whose second process dies, and keeps what is measured once", async () => {
    process.env["SLIMBENCH_TEST_COUNTER"] = join(fixture.folder, "timed-once");
    const { result } = await run({ recipes: ["fp32"], targets: ["cpu"] }, { childPath: CRASH_IN_SECOND }).finally(
      () => delete process.env["SLIMBENCH_TEST_COUNTER"],
    );
    const [record] = result.records;
    expect(record).toMatchObject({ status: "failed", reason: { code: "child-crashed" }, accuracy: { n: 120 }, parity: { pass: true } });
    expect(record?.status === "failed" && record.reason.message).toMatch(/^process 2 of 3: .*crashed during time/);
    expect(record?.latencyMs).toBeUndefined();
    expect(() => checkResult(JSON.parse(JSON.stringify(result)), "test")).not.toThrow();
  });

  it("records targets that cannot run here, with the reason", async () => {
    const { result } = await run({ recipes: ["fp32"], targets: ["tfjs-wasm@chrome", "litert-wasm@chrome", "ort-cpu"] });
    for (const record of result.records) {
      expect(record).toMatchObject({ status: "unavailable", reason: { code: "not-implemented" } });
    }
    expect(result.records).toHaveLength(3);
  });

  it("says when a recipe lacks the data it needs", async () => {
    const { result } = await run({ dataset: "none", recipes: ["fp32", "int8"], targets: ["cpu"], processes: 1 });
    const [original, int8] = result.records;
    expect(okOf(original).accuracy).toBeUndefined();
    expect(int8).toMatchObject({ status: "unavailable", reason: { code: "no-calibration-data" } });
  });

  it("compares with the original even where the plan has no record of it", async () => {
    const { result } = await run({ recipes: ["int8"], targets: ["cpu"], processes: 1 });
    expect(okOf(result.records[0]).accuracy).toMatchObject({ n: 120, reference: expect.closeTo(0.9, 1) as number });
  });

  it("refuses unknown target options before measuring anything", async () => {
    await expect(run({ recipes: ["fp32"], targets: ["wasm:wings=2"] })).rejects.toMatchObject({ code: "usage", exitCode: 2 });
  });

  it("refuses a dataset that does not fit, naming both", async () => {
    const header = {
      name: "odd",
      task: "classification",
      input: { dtype: "float32", shape: [5] },
      data: "odd.bin",
      labels: [0],
      classes: 3,
    };
    writeFileSync(join(fixture.folder, "odd.json"), JSON.stringify(header));
    writeFileSync(join(fixture.folder, "odd.bin"), Buffer.alloc(20));
    await expect(run({ dataset: join(fixture.folder, "odd.json") })).rejects.toThrow(/samples of shape \[5\] do not fit input "x"/);
  });

  it("resumes: keeps ok records, measures the others, in the plan's order", async () => {
    const { result: first } = await run({ recipes: ["fp32"], targets: ["wasm"], processes: 1 });
    const before = okOf(first.records[0]);
    const { result } = await run({ recipes: ["fp32"], targets: ["cpu", "wasm"], processes: 1 }, { resume: first });
    expect(result.records.map(recordKey)).toEqual(["net fp32 cpu", "net fp32 wasm"]);
    expect(okOf(result.records[1]).latencyMs.samples).toEqual(before.latencyMs.samples);
    await expect(run({ recipes: ["fp32"], targets: ["cpu"], seed: 2, processes: 1 }, { resume: first })).rejects.toThrow(
      /--resume: .*seed 1, this run has 2/,
    );
    const elsewhere: Result = { ...first, environment: { ...first.environment, cpuModel: "another" } };
    await expect(run({ recipes: ["fp32"], targets: ["cpu"], processes: 1 }, { resume: elsewhere })).rejects.toThrow(/cpuModel another/);
  });

  it("stops on an abort and keeps what is done", async () => {
    const controller = new AbortController();
    const { result, interrupted } = await run(
      { recipes: ["fp32"], targets: ["cpu", "wasm"] },
      { signal: controller.signal, onProgress: () => controller.abort() },
    );
    expect(interrupted).toBe(true);
    expect(result.records.map(recordKey)).toEqual(["net fp32 cpu"]);
  });
});
