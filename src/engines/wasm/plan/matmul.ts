/** MatMul: a constant right side is a dense layer; two activations pack the right one into panels at run time, batch by batch. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import { PANEL } from "../pack.ts";
import type { KernelCall, Planner } from "../program.ts";
import { floatPost } from "../records.ts";
import { planMatMulConstant } from "./conv.ts";
import { transposeCall } from "./move.ts";
import { RATE, splitRows } from "./split.ts";
import type { Range } from "./split.ts";
import { broadcastStrides } from "./strides.ts";
import { rowBlock } from "./windows.ts";

/** Batches beyond which a call a batch would cost more than it computes. */
const BATCH_LIMIT = 4096;
const TILE_ROWS = 4;

export const planMatMul: Planner<"MatMul"> = (context, node) => {
  const constant = planMatMulConstant(context, node);
  if (constant !== undefined) return constant;
  const a = requireInput(context.graph, node, 0);
  const b = requireInput(context.graph, node, 1);
  const out = outputTensor(context.graph, node);
  const { transposeA, transposeB } = node.attrs;
  const batch = out.shape.slice(0, -2);
  if (a.dtype !== "float32" || b.dtype !== "float32" || out.dtype !== "float32") return undefined;
  if (a.shape.length < 2 || b.shape.length < 2 || elementCount(out.shape) === 0 || elementCount(batch) > BATCH_LIMIT) return undefined;
  const [m, n] = out.shape.slice(-2) as [number, number];
  const k = a.shape[a.shape.length - (transposeA ? 2 : 1)]!;
  if (k === 0) return undefined;
  const starts = (shape: readonly number[], matrix: number): readonly number[] =>
    offsetsOf(batch, broadcastStrides(shape.slice(0, -2), batch)).map((index) => index * matrix * 4);
  const aStarts = starts(a.shape, m * k);
  const bStarts = starts(b.shape, k * n);
  const [from, right, to] = [context.address(a), context.address(b), context.address(out)];
  const post = context.table(floatPost(undefined));
  const units = Math.ceil(m / TILE_ROWS);
  const panels = Math.ceil(n / PANEL);
  const panelBytes = panels * (1 + k) * PANEL * 4;
  const kernel = m === 1 ? "f32_gemv_packed_1x24__wasm_simd" : "f32_gemm_packed_4x8__wasm_simd";
  return {
    kernel,
    scratchBytes: panelBytes + (transposeA ? m * k * 4 : 0),
    calls: (scratch) =>
      aStarts.flatMap((aStart, i): KernelCall[] => {
        const bStart = right + bStarts[i]!;
        const c = to + i * m * n * 4;
        const left = transposeA ? scratch + panelBytes : from + aStart;
        const rows = ({ from: first, to: end }: Range): readonly number[] => [
          ...[left + first * TILE_ROWS * k * 4, k * 4, k, scratch, c + first * TILE_ROWS * n * 4, n * 4],
          ...[Math.min(end * TILE_ROWS, m) - first * TILE_ROWS, n, rowBlock(m, k * 4), 0, post],
        ];
        const [kStride, nStride] = transposeB ? [4, k * 4] : [n * 4, 4];
        const pack = ({ from: first, to: end }: Range): readonly number[] => [
          ...[bStart + first * PANEL * nStride, kStride, nStride, scratch + first * (1 + k) * PANEL * 4],
          ...[k, Math.min(end * PANEL, n) - first * PANEL],
        ];
        const packCost = (k * n * 4) / (transposeB ? RATE.strided : RATE.bytes);
        return [
          ...(bStart === (i > 0 ? right + bStarts[i - 1]! : -1)
            ? []
            : [{ kernel: "f32_pack_panels__wasm_simd", args: pack({ from: 0, to: panels }), split: splitRows(panels, packCost, pack) }]),
          ...(transposeA ? [transposeCall(from + aStart, left, 1, k, m)] : []),
          m === 1
            ? { kernel, args: [left, k, scratch, c, n, 0, post] }
            : { kernel, args: rows({ from: 0, to: units }), split: splitRows(units, (m * n * k) / RATE.f32, rows) },
        ];
      }),
  };
};

/** Element offset of every index of `dims` in row-major order. */
function offsetsOf(dims: readonly number[], strides: readonly number[]): readonly number[] {
  let offsets = [0];
  dims.forEach((size, d) => {
    offsets = offsets.flatMap((base) => Array.from({ length: size }, (_, i) => base + i * strides[d]!));
  });
  return offsets;
}
