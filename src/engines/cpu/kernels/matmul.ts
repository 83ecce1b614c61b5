/**
 * MatMul with numpy's rules: leading dimensions broadcast, a rank-1 operand is a row (left) or a column (right). float32 and 8-bit run on
 * the packed tiles, the right side packed at compile time when it is constant; other types take plain loops.
 */
import { ShapeError, formatShape } from "../../../errors.ts";
import { outputTensor, requireInput } from "../../../graph/access.ts";
import type { TypedArray } from "../../../graph/dtype.ts";
import type { Tensor } from "../../../graph/ir.ts";
import { HIGH, PANEL_ROWS, integerScratch, multiplyDenseI8, packDenseI8 } from "./gemm_i8.ts";
import type { DenseI8 } from "./gemm_i8.ts";
import { multiplyDenseF32, packDenseF32 } from "./gemm_f32.ts";
import type { DenseF32 } from "./gemm_f32.ts";
import { floatFinish } from "./finish.ts";
import { isByte, isQuantized, shortName, stridesOf } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";
import { integerFinish } from "./weights.ts";

interface MatMulPlan {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Start of the matrices of each batch in a, b; the output is contiguous. */
  readonly aStarts: Int32Array;
  readonly bStarts: Int32Array;
  readonly aRow: number;
  readonly aK: number;
  readonly bN: number;
  readonly bK: number;
}

export function createMatMul(context: KernelContext<"MatMul">): CpuKernel {
  const { graph, node } = context;
  const a = requireInput(graph, node, 0);
  const b = requireInput(graph, node, 1);
  const out = outputTensor(graph, node);
  const plan = planMatMul(context, a, b);
  if (a.dtype === "float32" && b.dtype === "float32") return createFloatMatMul(context, plan, b);
  if (isByte(a.dtype) && isQuantized(a)) return createIntegerMatMul(context, plan, a, b, out);
  return {
    name: "any_matmul_general__cpu",
    weightBytes: 0,
    packedInputs: [],
    run: (inputs, output) => generalMatMul(inputs[0]!, inputs[1]!, plan, output),
  };
}

function planMatMul(context: KernelContext<"MatMul">, a: Tensor, b: Tensor): MatMulPlan {
  const { node } = context;
  const { transposeA, transposeB } = node.attrs;
  const aShape = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const bShape = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const flipA = transposeA && a.shape.length > 1;
  const flipB = transposeB && b.shape.length > 1;
  const ra = aShape.length;
  const rb = bShape.length;
  const m = aShape[flipA ? ra - 1 : ra - 2]!;
  const k = aShape[flipA ? ra - 2 : ra - 1]!;
  const n = bShape[flipB ? rb - 2 : rb - 1]!;
  if (bShape[flipB ? rb - 1 : rb - 2] !== k) {
    throw new ShapeError(
      `node "${node.name}" (MatMul): inner dimensions differ, got ${formatShape(a.shape)} and ${formatShape(b.shape)}, expected [..., M, K] × [..., K, N]`,
    );
  }
  const rank = Math.max(ra, rb) - 2;
  const aStrides = stridesOf(aShape);
  const bStrides = stridesOf(bShape);
  const aBatch: number[] = [];
  const bBatch: number[] = [];
  const batch: number[] = [];
  for (let d = 0; d < rank; d++) {
    const da = d - (rank - (ra - 2));
    const db = d - (rank - (rb - 2));
    const sizeA = da < 0 ? 1 : aShape[da]!;
    const sizeB = db < 0 ? 1 : bShape[db]!;
    batch.push(sizeA === 1 ? sizeB : sizeA);
    aBatch.push(sizeA === 1 ? 0 : aStrides[da]!);
    bBatch.push(sizeB === 1 ? 0 : bStrides[db]!);
  }
  return {
    m,
    n,
    k,
    aStarts: batchStarts(batch, aBatch),
    bStarts: batchStarts(batch, bBatch),
    aRow: flipA ? 1 : aShape[ra - 1]!,
    aK: flipA ? aShape[ra - 1]! : 1,
    bN: flipB ? bShape[rb - 1]! : 1,
    bK: flipB ? 1 : bShape[rb - 1]!,
  };
}

function batchStarts(sizes: readonly number[], strides: readonly number[]): Int32Array {
  let starts = [0];
  sizes.forEach((size, d) => {
    starts = starts.flatMap((s) => Array.from({ length: size }, (_, i) => s + i * strides[d]!));
  });
  return Int32Array.from(starts);
}

function createFloatMatMul(context: KernelContext<"MatMul">, plan: MatMulPlan, b: Tensor): CpuKernel {
  const { scratch } = context;
  const { m, n, k, aStarts, bStarts, aRow, aK, bN, bK } = plan;
  const finish = floatFinish(undefined);
  const bias = new Float32Array(n);
  const offsets = new Int32Array(4);
  const sums = new Float64Array(16);
  scratch.reserve(k * 4 * 8);
  const pack = (data: Float32Array): Map<number, DenseF32> =>
    new Map([...new Set(bStarts)].map((start) => [start, packDenseF32(data, start, n, k, bN, bK)]));
  const fixed = b.data === undefined ? undefined : pack(b.data as Float32Array);
  return {
    name: "f32_gemm_packed_4x4__cpu",
    weightBytes: fixed === undefined ? 0 : [...fixed.values()].reduce((sum, p) => sum + p.values.byteLength, 0),
    packedInputs: fixed === undefined ? [] : [1],
    run(inputs, output) {
      const x = inputs[0] as Float32Array;
      const packed = fixed ?? pack(inputs[1] as Float32Array);
      const target = { out: output as Float32Array, offsets, bias, finish, sums };
      const panel = scratch.doubles;
      aStarts.forEach((aStart, batch) => {
        const matrix = packed.get(bStarts[batch]!)!;
        for (let first = 0; first < m; first += 4) {
          const count = m - first < 4 ? m - first : 4;
          for (let r = 0; r < count; r++) {
            const from = aStart + (first + r) * aRow;
            for (let i = 0; i < k; i++) panel[i * 4 + r] = x[from + i * aK]!;
            offsets[r] = (batch * m + first + r) * n;
          }
          multiplyDenseF32(matrix, panel, count, 0, target);
        }
      });
    },
  };
}

function createIntegerMatMul(context: KernelContext<"MatMul">, plan: MatMulPlan, a: Tensor, b: Tensor, out: Tensor): CpuKernel {
  const { node, scratch } = context;
  const { m, n, k, aStarts, bStarts, aRow, aK, bN, bK } = plan;
  const axis = Math.max(0, b.shape.length - (node.attrs.transposeB ? 2 : 1));
  const finish = integerFinish(node, a, b, undefined, out, axis, n, undefined);
  const zeroPoint = a.quant!.zeroPoints[0]!;
  const bias = new Int32Array(n);
  const tile = integerScratch();
  scratch.reserve(k * 4 * 8);
  const packOne = (data: Int8Array | Uint8Array, start: number): DenseI8 => {
    const rows = new Int16Array(n * k);
    for (let j = 0; j < n; j++) for (let i = 0; i < k; i++) rows[j * k + i] = data[start + j * bN + i * bK]!;
    return packDenseI8(rows, n, k, data instanceof Uint8Array ? 128 : 0);
  };
  const pack = (data: Int8Array | Uint8Array): Map<number, DenseI8> =>
    new Map([...new Set(bStarts)].map((start) => [start, packOne(data, start)]));
  const fixed = b.data === undefined ? undefined : pack(b.data as Int8Array | Uint8Array);
  return {
    name: `${shortName(a.dtype)}_gemm_packed_8x4__cpu`,
    weightBytes:
      (fixed === undefined ? 0 : [...fixed.values()].reduce((sum, p) => sum + p.values.byteLength, 0)) + finish.scales.byteLength,
    packedInputs: fixed === undefined ? [] : [1],
    run(inputs, output) {
      const x = inputs[0] as Int8Array | Uint8Array;
      const packed = fixed ?? pack(inputs[1] as Int8Array | Uint8Array);
      const target = { ...tile, out: output as Int8Array | Uint8Array, bias, finish };
      const panel = scratch.doubles;
      aStarts.forEach((aStart, batch) => {
        const matrix = packed.get(bStarts[batch]!)!;
        for (let first = 0; first < m; first += PANEL_ROWS) {
          const count = m - first < PANEL_ROWS ? m - first : PANEL_ROWS;
          for (let r = 0; r < count; r++) {
            const from = aStart + (first + r) * aRow;
            const high = (r & 1) === 1;
            let sum = 0;
            for (let i = 0, to = r >> 1; i < k; i++, to += 4) {
              const v = x[from + i * aK]! - zeroPoint;
              sum += v;
              panel[to] = high ? panel[to]! + v * HIGH : v;
            }
            tile.rowSums[r] = sum;
            tile.offsets[r] = (batch * m + first + r) * n;
          }
          multiplyDenseI8(matrix, panel, count, 0, target);
        }
      });
    },
  };
}

function generalMatMul(a: TypedArray, b: TypedArray, plan: MatMulPlan, out: TypedArray): void {
  const { m, n, k, aStarts, bStarts, aRow, aK, bN, bK } = plan;
  let to = 0;
  for (let batch = 0; batch < aStarts.length; batch++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) sum += a[aStarts[batch]! + i * aRow + p * aK]! * b[bStarts[batch]! + j * bN + p * bK]!;
        out[to++] = sum;
      }
    }
  }
}
