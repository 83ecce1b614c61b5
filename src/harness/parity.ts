/** Outputs against outputs: the verdict that must precede any timing, and the noise that compression added. */
import { compareOutputs, graphTolerance } from "../engines/tolerance.ts";
import type { Comparison } from "../engines/tolerance.ts";
import { tensorOf } from "../graph/access.ts";
import { isFloat } from "../graph/dtype.ts";
import type { TypedArray } from "../graph/dtype.ts";
import type { Graph, Tensor } from "../graph/ir.ts";
import type { Parity } from "../results/schema.ts";

/** Outputs of one inference, in the graph's order. */
export type Outputs = readonly TypedArray[];

export interface ParityVerdict {
  readonly parity: Parity;
  /** The worst element, for a failed record's reason; empty when exact. */
  readonly message: string;
}

/**
 * @param reference what the CPU engine gives for each sample
 * @param actual what the engine under test gives for the same samples
 */
export function checkParity(graph: Graph, reference: readonly Outputs[], actual: readonly Outputs[]): ParityVerdict {
  const comparisons = reference.map((outputs, i) => compareOutputs(outputs, actual[i] ?? [], graphTolerance(graph, outputs)));
  const worst = comparisons.reduce((a, b) => (margin(b) < margin(a) ? b : a));
  return {
    parity: {
      against: "cpu",
      exact: comparisons.every(({ exact }) => exact),
      ...(Number.isFinite(worst.maxAbsError) ? { maxAbsError: worst.maxAbsError } : {}),
      tolerance: worst.tolerance,
      pass: comparisons.every(({ pass }) => pass),
    },
    message: worst.message,
  };
}

/** Room left below the tolerance; a failure has less than none. */
function margin(comparison: Comparison): number {
  const room = comparison.tolerance - comparison.maxAbsError;
  return comparison.pass ? room : Math.min(room, -Number.MIN_VALUE);
}

/** A quantized output as real values. */
function realValues(tensor: Tensor, data: TypedArray): ArrayLike<number> {
  const { quant } = tensor;
  if (isFloat(tensor.dtype) || quant === undefined) return data;
  const scale = quant.scales[0] ?? 1;
  const zeroPoint = quant.zeroPoints[0] ?? 0;
  return Float64Array.from(data, (q) => (q - zeroPoint) * scale);
}

/** Sums of squares over outputs: of the original's values, and of what a compressed model's differ from them. */
export interface Noise {
  readonly signal: number;
  readonly noise: number;
}

/** Of one inference. Undefined where the outputs cannot be compared. */
export function noiseOf(original: Graph, reference: Outputs, compressed: Graph, actual: Outputs): Noise | undefined {
  let signal = 0;
  let noise = 0;
  for (const [o, data] of reference.entries()) {
    const other = actual[o];
    if (other?.length !== data.length) return undefined;
    const x = realValues(tensorOf(original, original.outputs[o] ?? ""), data);
    const y = realValues(tensorOf(compressed, compressed.outputs[o] ?? ""), other);
    for (let i = 0; i < x.length; i++) {
      const want = x[i] ?? 0;
      signal += want * want;
      noise += (want - (y[i] ?? 0)) ** 2;
    }
  }
  return { signal, noise };
}

/**
 * Signal to quantization noise, 10 log10(Σ x² / Σ (x - y)²) decibels over all inferences. Undefined when there is no noise, no signal, or
 * when the outputs of one cannot be compared.
 */
export function noiseDb(inferences: readonly (Noise | undefined)[]): number | undefined {
  let signal = 0;
  let noise = 0;
  for (const one of inferences) {
    if (one === undefined) return undefined;
    signal += one.signal;
    noise += one.noise;
  }
  const ratio = 10 * Math.log10(signal / noise);
  return Number.isFinite(ratio) ? ratio : undefined;
}

/** Of a compressed model's outputs against the original's. */
export function sqnrDb(original: Graph, reference: readonly Outputs[], compressed: Graph, actual: readonly Outputs[]): number | undefined {
  return noiseDb(reference.map((outputs, s) => noiseOf(original, outputs, compressed, actual[s] ?? [])));
}
