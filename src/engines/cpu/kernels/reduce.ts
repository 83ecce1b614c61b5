/** Reduce over any set of axes: sums in doubles for floats, exact ones and one requantization for integers on a grid. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount, isFloat } from "../../../graph/dtype.ts";
import type { TypedArray } from "../../../graph/dtype.ts";
import type { ReduceFn, Tensor } from "../../../graph/ir.ts";
import { MOST_INT16_TERMS, isInt16 } from "../../../graph/int16.ts";
import { integerRange, perTensor, requantize } from "../../../graph/numerics.ts";
import { innerSize, innerStep, planWalk, runStarts } from "./broadcast.ts";
import { regridder } from "./regrid.ts";
import { isByte, isQuantized, shortName, stridesOf, unsupported } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";

/** The input in its own order, each run landing on outputs to[r] + i*stepTo. */
interface ReducePlan {
  readonly length: number;
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly stepTo: number;
  /** Elements that meet in one output. */
  readonly count: number;
}

export function createReduce(context: KernelContext<"Reduce">): CpuKernel {
  const { graph, node, scratch } = context;
  const x = requireInput(graph, node, 0);
  const out = outputTensor(graph, node);
  const { fn } = node.attrs;
  const plan = planReduce(x, node.attrs.axes);
  const outputs = elementCount(out.shape);
  scratch.reserve(outputs * 8);
  if (isQuantized(x) || isQuantized(out)) return quantizedReduce(context, plan, x, out, outputs);
  const whole = !isFloat(out.dtype);
  return {
    name: x.dtype === "float32" ? `f32_reduce_${fn}__cpu` : "any_reduce_general__cpu",
    weightBytes: 0,
    packedInputs: [],
    run(inputs, output) {
      const acc = scratch.doubles;
      for (let i = 0; i < outputs; i++) acc[i] = START[fn];
      accumulate(inputs[0]!, plan, acc, fn);
      for (let i = 0; i < outputs; i++) {
        const v = fn === "mean" ? acc[i]! / plan.count : acc[i]!;
        output[i] = whole ? Math.trunc(v) : v;
      }
    },
  };
}

const START: Readonly<Record<ReduceFn, number>> = { mean: 0, sum: 0, max: -Infinity, min: Infinity, prod: 1 };

function planReduce(x: Tensor, axes: readonly number[]): ReducePlan {
  const reduced = new Set(axes);
  const kept = x.shape.map((size, d) => (reduced.has(d) ? 1 : size));
  const strides = stridesOf(kept);
  const steps = x.shape.map((_, d) => (reduced.has(d) ? 0 : strides[d]!));
  const count = x.shape.reduce((n, size, d) => (reduced.has(d) ? n * size : n), 1);
  if (elementCount(x.shape) === 0) return { length: 0, from: new Int32Array(0), to: new Int32Array(0), stepTo: 0, count };
  const walk = planWalk(x.shape, [stridesOf(x.shape), steps]);
  return { length: innerSize(walk), from: runStarts(walk, 0), to: runStarts(walk, 1), stepTo: innerStep(walk, 1), count };
}

function accumulate(x: TypedArray, plan: ReducePlan, acc: Float64Array, fn: ReduceFn): void {
  const { length, from, to, stepTo } = plan;
  for (let r = 0; r < from.length; r++) {
    const start = from[r]!;
    let at = to[r]!;
    switch (fn) {
      case "mean":
      case "sum":
        if (stepTo === 0) {
          let sum = 0;
          for (let i = 0; i < length; i++) sum += x[start + i]!;
          acc[at] = acc[at]! + sum;
        } else for (let i = 0; i < length; i++, at += stepTo) acc[at] = acc[at]! + x[start + i]!;
        break;
      case "max":
        for (let i = 0; i < length; i++, at += stepTo) acc[at] = Math.max(acc[at]!, x[start + i]!);
        break;
      case "min":
        for (let i = 0; i < length; i++, at += stepTo) acc[at] = Math.min(acc[at]!, x[start + i]!);
        break;
      case "prod":
        for (let i = 0; i < length; i++, at += stepTo) acc[at] = acc[at]! * x[start + i]!;
        break;
    }
  }
}

function quantizedReduce(context: KernelContext<"Reduce">, plan: ReducePlan, x: Tensor, out: Tensor, outputs: number): CpuKernel {
  const { node, scratch } = context;
  const { fn } = node.attrs;
  const isWide = isInt16(x) && isInt16(out);
  if (!isQuantized(x) || !isQuantized(out) || (!isWide && (!isByte(x.dtype) || !isByte(out.dtype)))) {
    throw unsupported(node, `${fn} of ${x.dtype} to ${out.dtype}, expected both 8-bit with scales, or int16 with zero point 0`);
  }
  if (isWide && plan.count > MOST_INT16_TERMS)
    throw unsupported(node, `${fn} of ${plan.count} int16 values, expected at most ${MOST_INT16_TERMS}`);
  if (fn === "prod") throw unsupported(node, "product of a quantized tensor", "Dequantize it first.");
  const from = perTensor(x.quant);
  const to = perTensor(out.quant);
  const ratio = Math.fround(from.scale / to.scale);
  const scale = fn === "mean" ? Math.fround(ratio / plan.count) : ratio;
  const [lo, hi] = integerRange(out.dtype);
  const regrid = regridder(x, out);
  return {
    name: `${isWide ? "i16" : shortName(x.dtype)}_reduce_${fn}__cpu`,
    weightBytes: 0,
    packedInputs: [],
    run(inputs, output) {
      const acc = scratch.doubles;
      for (let i = 0; i < outputs; i++) acc[i] = START[fn];
      accumulate(inputs[0]!, plan, acc, fn);
      for (let i = 0; i < outputs; i++) {
        output[i] =
          fn === "mean" || fn === "sum"
            ? requantize((acc[i]! - plan.count * from.zeroPoint) | 0, scale, to.zeroPoint, lo, hi)
            : regrid!.element(acc[i]!);
      }
    },
  };
}
