/** Softmax along one axis: exp(beta * (x - max)) / Σ in doubles, or the integer exponentials of numerics.ts and int16.ts. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { TypedArray } from "../../../graph/dtype.ts";
import { INT16_UNIT_SCALE, MOST_INT16_CLASSES, int16SoftmaxTables, isInt16 } from "../../../graph/int16.ts";
import { softmaxTable } from "../../../graph/numerics.ts";
import { isByte, isQuantized, shortName, unsupported } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";

/** Largest row of the integer form: sums of exponentials must stay in uint32. */
const MAX_INTEGER_CLASSES = 4095;

export function createSoftmax(context: KernelContext<"Softmax">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const out = outputTensor(graph, node);
  const { axis, beta } = node.attrs;
  const length = x.shape[axis]!;
  const inner = elementCount(x.shape.slice(axis + 1));
  const outer = elementCount(x.shape.slice(0, axis));
  if (isInt16(x) && isInt16(out)) {
    if (out.quant.scales[0] !== INT16_UNIT_SCALE) throw unsupported(node, `output scale ${String(out.quant.scales[0])}, expected 2^-15`);
    if (length > MOST_INT16_CLASSES) throw unsupported(node, `${length} classes in int16, expected at most ${MOST_INT16_CLASSES}`);
    const { coarse, fine } = int16SoftmaxTables(x.quant, beta);
    return {
      name: "i16_softmax_tables__cpu",
      weightBytes: coarse.byteLength + fine.byteLength,
      packedInputs: [],
      run: (inputs, output) => softmaxInt16(inputs[0] as Int16Array, output as Int16Array, outer, length, inner, coarse, fine),
    };
  }
  if (isQuantized(x) || isQuantized(out)) {
    if (!isByte(x.dtype) || x.dtype !== out.dtype || !isQuantized(x) || !isQuantized(out)) {
      throw unsupported(node, `${x.dtype} to ${out.dtype}, expected the same 8-bit type with scales, or int16 with zero point 0`);
    }
    const low = x.dtype === "int8" ? -128 : 0;
    if (out.quant.scales[0] !== 1 / 256 || out.quant.zeroPoints[0] !== low) {
      throw unsupported(
        node,
        `output scale ${String(out.quant.scales[0])} and zero point ${String(out.quant.zeroPoints[0])}, expected 1/256 and ${low}`,
      );
    }
    if (length > MAX_INTEGER_CLASSES) throw unsupported(node, `${length} classes in 8 bits, expected at most ${MAX_INTEGER_CLASSES}`);
    const table = softmaxTable(x.quant, beta);
    return {
      name: `${shortName(x.dtype)}_softmax_table__cpu`,
      weightBytes: table.byteLength,
      packedInputs: [],
      run: (inputs, output) => softmaxBytes(inputs[0] as Int8Array, output as Int8Array, outer, length, inner, table, low),
    };
  }
  return {
    name: `${shortName(x.dtype)}_softmax_rows__cpu`,
    weightBytes: 0,
    packedInputs: [],
    run: (inputs, output) => softmaxFloat(inputs[0]!, output, outer, length, inner, beta),
  };
}

function softmaxFloat(x: TypedArray, out: TypedArray, outer: number, length: number, inner: number, beta: number): void {
  const row = new Float64Array(length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const start = o * length * inner + i;
      let max = -Infinity;
      for (let k = 0, p = start; k < length; k++, p += inner) if (x[p]! > max) max = x[p]!;
      let sum = 0;
      for (let k = 0, p = start; k < length; k++, p += inner) {
        const e = Math.exp(beta * (x[p]! - max));
        row[k] = e;
        sum += e;
      }
      for (let k = 0, p = start; k < length; k++, p += inner) out[p] = row[k]! / sum;
    }
  }
}

function softmaxInt16(
  x: Int16Array,
  out: Int16Array,
  outer: number,
  length: number,
  inner: number,
  coarse: Uint32Array,
  fine: Uint32Array,
): void {
  const row = new Float64Array(length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const start = o * length * inner + i;
      let max = -32768;
      for (let k = 0, p = start; k < length; k++, p += inner) if (x[p]! > max) max = x[p]!;
      let sum = 0;
      for (let k = 0, p = start; k < length; k++, p += inner) {
        const d = max - x[p]!;
        const e = (coarse[d >> 8]! * fine[d & 255]!) >>> 11;
        row[k] = e;
        sum += e;
      }
      // The quotient is below 2^17 and its fraction a multiple of 2^-31: a double's floor is exact.
      for (let k = 0, p = start; k < length; k++, p += inner) {
        const q = (Math.floor((row[k]! * 65536) / sum) + 1) >> 1;
        out[p] = q > 32767 ? 32767 : q;
      }
    }
  }
}

function softmaxBytes(
  x: Int8Array | Uint8Array,
  out: Int8Array | Uint8Array,
  outer: number,
  length: number,
  inner: number,
  table: Uint32Array,
  low: number,
): void {
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const start = o * length * inner + i;
      let max = low;
      for (let k = 0, p = start; k < length; k++, p += inner) if (x[p]! > max) max = x[p]!;
      let sum = 0;
      for (let k = 0, p = start; k < length; k++, p += inner) sum += table[max - x[p]!]!;
      const half = Math.floor(sum / 2);
      for (let k = 0, p = start; k < length; k++, p += inner) {
        const q = Math.floor((table[max - x[p]!]! * 256 + half) / sum);
        out[p] = (q > 255 ? 255 : q) + low;
      }
    }
  }
}
