/** Literal records for tests of the store, the comparison and the reports. */
import type { Environment, Latency, OkRecord, Result, ResultRecord } from "../../src/results/schema.ts";

export const environment: Environment = {
  node: "v20.20.0",
  v8: "11.3.244.8",
  platform: "linux",
  arch: "x64",
  osRelease: "6.1.0",
  cpuModel: "Test CPU 3000",
  cpuCount: 2,
  memoryBytes: 8_000_000_000,
  engines: { cpu: { available: true }, webgpu: { available: true, software: true, facts: { adapter: "SwiftShader Device" } } },
};

/** Latency with a median and an interval of ± `spread`. */
export function latency(median: number, spread = 0.1): Latency {
  return {
    samples: [median - spread, median, median + spread],
    n: 20,
    median,
    ci95: [median - spread, median + spread],
    mean: median,
    sd: spread,
    mad: spread / 2,
    min: median - spread,
    max: median + spread,
    stopReason: "settled",
  };
}

export function okRecord(fields: Partial<OkRecord>): OkRecord {
  return {
    model: "lenet5",
    recipe: "fp32",
    target: "cpu",
    status: "ok",
    size: { params: 61_706, nonzeroParams: 61_706, fileBytes: 250_000, gzipBytes: 230_000, brotliBytes: 225_000, weightBytes: 246_824, bitsPerWeight: 32 },
    compute: { macs: 416_520, effectiveMacs: 416_520 },
    accuracy: { metric: "top1", value: 0.9901, n: 10_000, of: 10_000 },
    latencyMs: latency(2),
    throughputPerSecond: 500,
    memoryBytes: { weights: 246_824, activationsPeak: 30_000, rssPeak: 90_000_000 },
    parity: { against: "cpu", exact: true, maxAbsError: 0, tolerance: 0, pass: true },
    kernels: [],
    warnings: [],
    ...fields,
  };
}

export function resultOf(records: readonly ResultRecord[], env: Environment = environment): Result {
  return {
    schema: "slimbench/result@1",
    createdAt: "2026-11-20T10:00:00.000Z",
    tool: { version: "0.1.0", commit: "abc1234" },
    environment: env,
    config: { suite: "mobile", preset: "normal", seed: 1 },
    records,
  };
}

/** A copy without some keys. */
export function without<T extends object, K extends keyof T>(value: T, ...keys: readonly K[]): Omit<T, K> {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key as K))) as Omit<T, K>;
}
