/** Literal results for the reports. */
import type { OkRecord, ResultRecord } from "../../src/results/schema.ts";
import { latency, okRecord, resultOf } from "../results/fixtures.ts";

const size = okRecord({}).size;

export const records: readonly ResultRecord[] = [
  okRecord({ target: "cpu", latencyMs: latency(2, 0.04), coldMs: { first: 21.4 } }),
  okRecord({
    target: "webgpu",
    latencyMs: latency(8.125, 0.5),
    device: { adapter: "SwiftShader Device", software: true },
    accuracy: { metric: "top1", value: 0.992, n: 500, of: 10_000, samples: "first 500" },
    parity: { against: "cpu", exact: false, maxAbsError: 2.9e-7, tolerance: 1e-5, pass: true },
    warnings: [
      { key: "software-adapter", evidence: "SwiftShader Device runs on the processor", next: "Install a driver" },
      { key: "interval-wide", evidence: "±6.2 % after 20 samples", next: "Close other programs" },
    ],
  }),
  okRecord({
    recipe: "prune:0.7,block=1x8+int8",
    target: "cpu",
    latencyMs: latency(0.80512, 0.01),
    size: { ...size, fileBytes: 66_120, brotliBytes: 41_003 },
    compute: { macs: 416_520, effectiveMacs: 131_000 },
    accuracy: { metric: "top1", value: 0.9889, n: 10_000, of: 10_000, reference: 0.9901, delta: -0.0012, deltaCi95: [-0.003, 0.0006] },
    warnings: [{ key: "interval-wide", evidence: "±4.0 % after 40 samples", next: "Close other programs" }],
  }),
  {
    model: "lenet5",
    recipe: "prune:0.7,block=1x8+int8",
    target: "webgpu",
    status: "unavailable",
    reason: { code: "no-adapter", message: 'no adapter, "none" found', remedy: "Run bench doctor" },
  },
  {
    model: "ocr|cls",
    recipe: "fp32",
    target: "cpu",
    status: "failed",
    reason: { code: "parity", message: "output differs by 0.5", remedy: "" },
    parity: { against: "cpu", exact: false, maxAbsError: 0.5, tolerance: 1e-5, pass: false },
  } satisfies ResultRecord,
];

export const result = resultOf(records);

export function faster(record: ResultRecord | undefined): OkRecord {
  if (record?.status !== "ok") throw new Error("an ok record expected");
  return { ...record, latencyMs: latency(record.latencyMs.median / 2, 0.01) };
}
