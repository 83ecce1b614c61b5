/** MatMul: a constant right side becomes a Dense-like packed GEMM where shapes allow; otherwise strided kernels. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import type { NodeWith, Shape, Tensor } from "../../../graph/ir.ts";
import { MAX_RANK, dims, u } from "../step.ts";
import { formatOf, storedSteps } from "../storage.ts";
import type { Lowering } from "./context.ts";
import { lowerConstantMatMul } from "./weighted.ts";
import { integerFinish, storedZero } from "./quantized.ts";
import { isQuantized } from "./context.ts";

interface Side {
  /** Steps of the two matrix axes, and sizes and steps of the batch axes. */
  readonly steps: readonly [number, number];
  readonly sizes: readonly [number, number];
  readonly batchSizes: readonly number[];
  readonly batchSteps: readonly number[];
}

/** Rank 1 is a row on the left, a column on the right. */
function sideOf(tensor: Tensor, transpose: boolean, left: boolean): Side {
  const steps = storedSteps(formatOf(tensor), tensor.shape);
  const { shape } = tensor;
  if (shape.length === 1) {
    const step = 1;
    return { steps: left ? [0, step] : [step, 0], sizes: left ? [1, shape[0]!] : [shape[0]!, 1], batchSizes: [], batchSteps: [] };
  }
  const r = shape.length;
  const matrix: [number, number] = [steps[r - 2]!, steps[r - 1]!];
  const sizes: [number, number] = [shape[r - 2]!, shape[r - 1]!];
  if (transpose) {
    matrix.reverse();
    sizes.reverse();
  }
  return { steps: matrix, sizes, batchSizes: shape.slice(0, -2), batchSteps: steps.slice(0, -2) };
}

function broadcastBatch(a: Side, b: Side): { sizes: number[]; a: number[]; b: number[] } {
  const rank = Math.max(a.batchSizes.length, b.batchSizes.length);
  const at = (side: Side, d: number): { size: number; step: number } => {
    const i = d - (rank - side.batchSizes.length);
    const size = i < 0 ? 1 : side.batchSizes[i]!;
    return { size, step: size === 1 ? 0 : side.batchSteps[i]! };
  };
  const axes = Array.from({ length: rank }, (_, d) => ({ a: at(a, d), b: at(b, d) }));
  return { sizes: axes.map((x) => Math.max(x.a.size, x.b.size)), a: axes.map((x) => x.a.step), b: axes.map((x) => x.b.step) };
}

export function lowerMatMul(c: Lowering, node: NodeWith<"MatMul">): void {
  const a = requireInput(c.graph, node, 0);
  const b = requireInput(c.graph, node, 1);
  const out = outputTensor(c.graph, node);
  const left = sideOf(a, node.attrs.transposeA, true);
  const right = sideOf(b, node.attrs.transposeB, false);
  const batch = broadcastBatch(left, right);
  if (batch.sizes.length > MAX_RANK) throw c.unsupported(`${batch.sizes.length} batch dimensions, expected at most ${MAX_RANK}`);
  const [m, k] = left.sizes;
  const n = right.sizes[1];
  const batches = batch.sizes.reduce((product, size) => product * size, 1);
  const strides = u(left.steps[0], left.steps[1], right.steps[0], right.steps[1], batch.sizes.length);
  const tail = [...dims(batch.sizes), ...dims(batch.a), ...dims(batch.b)];
  const format = formatOf(a);
  if (format === "f32" && formatOf(b) === "f32") {
    if (b.data !== undefined && b.shape.length === 2 && !node.attrs.transposeA && m > 0) {
      lowerConstantMatMul(c, a, b, node.attrs.transposeB, out);
      return;
    }
    const threads = batches * Math.ceil(m / 2) * Math.ceil(n / 4);
    const params = [...u(threads, m, n, k), ...strides, ...u(0, 0, 0, 0, 0, 0, 0), ...tail];
    c.flat({ kernel: "f32_matmul_direct_2x4__wgsl", params, inputs: [c.operand(a), c.operand(b)], output: out, threads });
    return;
  }
  if (format !== "i8" || formatOf(b) !== "i8" || !isQuantized(b))
    throw c.unsupported(`${a.dtype} × ${b.dtype}, expected both float32 or both 8 bits with scales`);
  if (isRowless(out.shape, n)) throw c.unsupported("an integer vector as the right side", "Give it a second dimension of 1.");
  const axis = Math.max(0, b.shape.length - (node.attrs.transposeB ? 2 : 1));
  const finish = integerFinish(c, a, b, undefined, out, axis, n, undefined);
  const threads = batches * m * Math.ceil(n / 4);
  const params = [...u(threads, m, n, k), ...strides, ...u(finish.inZero, finish.outZero, finish.lo, finish.hi, 0, 0, 0), ...tail];
  const padded = Math.ceil(n / 4) * 4;
  const scales = new Float32Array(padded);
  scales.set(finish.scales);
  const perColumn = b.quant.scales.length > 1;
  const zeros = Int32Array.from({ length: padded }, (_, j) => storedZero(b, perColumn ? Math.min(j, n - 1) : 0));
  const inputs = [c.operand(a), c.operand(b), c.constant("scales", scales), c.constant("zeros", zeros)];
  c.flat({ kernel: "i8_matmul_general_1x4__wgsl", params, inputs, output: out, threads });
}

/** Rank-1 right sides drop the column axis, so rows of the output are no longer rows of n. */
function isRowless(shape: Shape, n: number): boolean {
  return n === 1 && (shape.length === 0 || shape[shape.length - 1] !== 1);
}
