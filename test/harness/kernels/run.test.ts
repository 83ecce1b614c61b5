/** Whole runs over single layers in child processes: rates, sweeps, rows that fail beside rows that do not, tuning. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makePlan } from "../../../src/harness/plan.ts";
import type { PlanRequest } from "../../../src/harness/plan.ts";
import { silentReporter } from "../../../src/harness/progress.ts";
import { runPlan } from "../../../src/harness/run.ts";
import { checkResult } from "../../../src/results/store.ts";
import type { Result } from "../../../src/results/schema.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-test-"));
const cache = process.env["XDG_CACHE_HOME"];
// The children inherit it: measurements of this test stay out of the user's cache.
beforeAll(() => void (process.env["XDG_CACHE_HOME"] = folder));
afterAll(() => {
  if (cache === undefined) delete process.env["XDG_CACHE_HOME"];
  else process.env["XDG_CACHE_HOME"] = cache;
  rmSync(folder, { recursive: true });
});

const suite = join(folder, "layers.json");
writeFileSync(
  suite,
  JSON.stringify({
    name: "layers",
    about: "for tests",
    kernels: [
      { name: "pw", layer: "a pointwise layer", op: "gemm", m: 20, n: 32, k: 48, sweeps: ["blocks"] },
      { name: "dw", layer: "a depthwise layer", op: "depthwise", input: [9, 9, 16], kernel: [3, 3], stride: [2, 2] },
    ],
    sweeps: { blocks: { recipe: "prune:X,block=1x8,include=*", zeros: [0.25, 0.75] } },
    recipes: ["fp32", "int8"],
    targets: ["cpu", "wasm"],
    preset: "quick",
  }),
);

async function run(request: Partial<PlanRequest> = {}): Promise<Result> {
  const plan = makePlan({ suite, seed: 1, ...request });
  const { result } = await runPlan(plan, { reporter: silentReporter, silenceMs: 60_000, signal: new AbortController().signal });
  return result;
}

describe("a run over layers", () => {
  it("gives every row its rates, and the sweeps their break-even", async () => {
    const result = await run();
    expect(() => checkResult(JSON.parse(JSON.stringify(result)), "test")).not.toThrow();
    expect(result.records).toHaveLength(2 * (2 + 2) + 2 * 2);
    for (const record of result.records) {
      const name = `${record.model} ${record.recipe} ${record.target}`;
      expect(record.status, `${name} ${JSON.stringify(record.status === "ok" ? "" : record.reason)}`).toBe("ok");
      expect(record.parity, name).toMatchObject({ pass: true });
      const { macs = 0, effectiveMacs = 0 } = record.compute ?? {};
      const ms = record.latencyMs?.median ?? 0;
      expect(record.rates?.denseGops, name).toBeCloseTo((2 * macs) / ms / 1e6, 9);
      expect(record.rates?.nonzeroGops, name).toBeCloseTo((2 * effectiveMacs) / ms / 1e6, 9);
      expect(record.rates?.type, name).toBe(record.recipe.includes("int8") ? "int8" : "float32");
      expect(record.rates?.peakShare, name).toBeGreaterThan(0);
      expect(record.rates?.layer, name).toMatch(/^a (pointwise|depthwise) layer$/);
      expect(record.latencyMs?.n, name).toBeGreaterThanOrEqual(3);
      expect(record.kernels, name).toHaveLength(1);
    }
    const sparse = result.records.filter(({ target }) => target.endsWith("sparse=on"));
    expect(sparse).toHaveLength(4);
    for (const { kernels } of sparse) expect(kernels?.[0]).toMatch(/spmm|sparse|spmv/);
    expect(result.breakEven?.map(({ model, target, points }) => [model, target, points.length])).toEqual([
      ["pw", "cpu", 2],
      ["pw", "wasm", 2],
    ]);
    expect(result.config).toMatchObject({ suite: "layers", tune: "off", preset: "quick" });
  });

  it("tunes before it times, and keeps what it measured", async () => {
    const request = { tune: "cached", targets: ["wasm"], filter: "pw prune:0.75" } as const;
    const [first] = (await run(request)).records;
    const [second] = (await run(request)).records;
    expect(first?.tuning).toMatchObject({ mode: "cached", measured: 1, cached: 0 });
    expect(second?.tuning).toMatchObject({ mode: "cached", measured: 0, cached: 1 });
    expect(first?.placement?.find(({ op }) => op === "Dense")?.why).toMatch(/; tuned: /);
    expect(second?.kernels).toEqual(first?.kernels);
  });

  it("turns a target that is not there into rows that say so", async () => {
    const { records } = await run({ targets: ["tfjs-webgl@chrome", "wasm"], recipes: ["fp32"], models: ["dw"] });
    expect(records.map(({ status }) => status)).toEqual(["unavailable", "ok"]);
  });
});
