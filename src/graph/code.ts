/**
 * Compact codes of constants: what they decode to, how many bytes they take, what is wrong with one. A code is only ever an
 * additional form: `data` beside it holds exactly the decoded values, so passes and engines that know nothing of codes stay right.
 */
import { bytesPerElement, elementCount } from "./dtype.ts";
import type { TypedArray } from "./dtype.ts";
import { fromFloat16Bits } from "./float16.ts";
import type { Constant, FloatCode, Int4Code, Int8CodebookCode, Shape, Tensor, WeightCode } from "./ir.ts";
import { permuteData } from "./permute.ts";
import type { Perm } from "./permute.ts";

/** A codebook of no more values fits 4-bit indices. */
export const NIBBLE_VALUES = 16;
export const MOST_VALUES = 256;

/** The code of a float32 constant. */
export function floatCode({ code }: Tensor): FloatCode | undefined {
  return code?.kind === "int8Codebook" ? undefined : code;
}

/** The code of an int8 constant. */
export function int8Codebook({ code }: Tensor): Int8CodebookCode | undefined {
  return code?.kind === "int8Codebook" ? code : undefined;
}

/** Whether rows [shape[0]] of the tensor can be decoded one by one: scales of columns would not stay together. */
export function isByRows(code: FloatCode): boolean {
  return code.kind !== "int8" || code.axis === 0;
}

/** Elements of a row and blocks in it, of a tensor that codes run along. */
export function blocksOf(
  code: Pick<Int4Code, "block">,
  shape: Shape,
): { readonly rows: number; readonly k: number; readonly blocks: number } {
  const rows = shape[0] ?? 1;
  const k = rows === 0 ? 0 : elementCount(shape) / rows;
  return { rows, k, blocks: Math.ceil(k / code.block) };
}

/** The values that the code stands for, in the constant's dtype. */
export function decode(code: FloatCode, shape: Shape): Float32Array;
export function decode(code: WeightCode, shape: Shape): Float32Array | Int8Array;
export function decode(code: WeightCode, shape: Shape): Float32Array | Int8Array {
  if (code.kind !== "int8Codebook") return decodeFloats(code, shape);
  const { table, values: perRow, indices } = code;
  const k = indices.length / (shape[0] ?? 1);
  return Int8Array.from(indices, (index, i) => table[Math.floor(i / k) * perRow + index]!);
}

function decodeFloats(code: FloatCode, shape: Shape): Float32Array {
  switch (code.kind) {
    case "codebook": {
      const { table, indices } = code;
      const values = new Float32Array(indices.length);
      for (let i = 0; i < values.length; i++) values[i] = table[indices[i]!]!;
      return values;
    }
    case "float16": {
      const values = new Float32Array(code.bits.length);
      for (let i = 0; i < values.length; i++) values[i] = fromFloat16Bits(code.bits[i]!);
      return values;
    }
    case "int4": {
      const { codes, scales, block } = code;
      const { rows, k, blocks } = blocksOf(code, shape);
      const values = new Float32Array(codes.length);
      for (let row = 0, at = 0; row < rows; row++) {
        for (let i = 0; i < k; i++, at++) values[at] = codes[at]! * scales[row * blocks + Math.floor(i / block)]!;
      }
      return values;
    }
    case "int8": {
      const { codes, scales } = code;
      const inner = elementCount(shape.slice(code.axis + 1));
      const values = new Float32Array(codes.length);
      for (let i = 0; i < values.length; i++) values[i] = codes[i]! * scales[Math.floor(i / inner) % scales.length]!;
      return values;
    }
  }
}

/** Bytes as kernels keep the code: indices of up to 16 values and int4 codes two a byte, tables and scales as float32. */
export function codeBytes(code: WeightCode): number {
  switch (code.kind) {
    case "int8Codebook":
      return code.table.byteLength + Math.ceil(code.indices.length / 2);
    case "codebook":
      return code.table.byteLength + (code.table.length <= NIBBLE_VALUES ? Math.ceil(code.indices.length / 2) : code.indices.length);
    case "float16":
      return code.bits.byteLength;
    case "int4":
      return code.scales.byteLength + Math.ceil(code.codes.length / 2);
    case "int8":
      return code.scales.byteLength + code.codes.byteLength;
  }
}

/** Bytes of a constant as it is stored: its code where it has one. */
export function storedBytes(tensor: Constant): number {
  return tensor.code === undefined ? tensor.data.length * bytesPerElement(tensor.dtype) : codeBytes(tensor.code);
}

/** Bits of one element as stored, tables and scales aside. */
export function weightBits({ code, dtype }: Constant): number {
  switch (code?.kind) {
    case undefined:
      return 8 * bytesPerElement(dtype);
    case "codebook":
      return code.table.length <= NIBBLE_VALUES ? 4 : 8;
    case "int4":
    case "int8Codebook":
      return 4;
    case "int8":
      return 8;
    case "float16":
      return 16;
  }
}

/** What a code is, as a clause of the record. */
export function codeText(code: WeightCode): string {
  switch (code.kind) {
    case "codebook":
      return `${code.table.length} shared values, ${code.table.length <= NIBBLE_VALUES ? 4 : 8}-bit indices`;
    case "int8Codebook":
      return `${code.values} shared values an output, 4-bit indices`;
    case "int4":
      return `int4 weights in blocks of ${code.block}`;
    case "int8":
      return "int8 weights with a scale per output";
    case "float16":
      return "float16 weights";
  }
}

/** What is wrong with a tensor's code, as the end of a sentence; undefined when it has none or decodes to exactly its data. */
export function codeFault(tensor: Tensor): string | undefined {
  const { code, data, dtype, shape } = tensor;
  if (code === undefined) return undefined;
  const stands = code.kind === "int8Codebook" ? "int8" : "float32";
  if (data === undefined || dtype !== stands)
    return `stands for ${stands} values, but the tensor is ${data === undefined ? "no constant" : dtype}`;
  const fault = formFault(code, shape);
  if (fault !== undefined) return fault;
  const values = decode(code, shape);
  for (let i = 0; i < values.length; i++) {
    if (!Object.is(values[i], data[i])) return `decodes element ${i} to ${values[i]!}, but its data hold ${data[i]!}`;
  }
  return undefined;
}

function formFault(code: WeightCode, shape: Shape): string | undefined {
  const elements = elementCount(shape);
  const count = (what: string, got: number, expected: number): string | undefined =>
    got === expected ? undefined : `has ${got} ${what}, expected ${expected}`;
  switch (code.kind) {
    case "codebook": {
      const values = code.table.length;
      if (values < 1 || values > MOST_VALUES) return `has a table of ${values} values, expected 1..${MOST_VALUES}`;
      const beyond = code.indices.findIndex((index) => index >= values);
      return (
        count("indices", code.indices.length, elements) ??
        (beyond < 0 ? undefined : `has index ${code.indices[beyond]!} at ${beyond}, expected less than ${values}`)
      );
    }
    case "int8Codebook": {
      const { values, table, indices } = code;
      if (!Number.isInteger(values) || values < 1 || values > NIBBLE_VALUES)
        return `has ${values} values a row, expected 1..${NIBBLE_VALUES}`;
      const beyond = indices.findIndex((index) => index >= values);
      return (
        count("indices", indices.length, elements) ??
        count("values", table.length, values * (shape[0] ?? 1)) ??
        (beyond < 0 ? undefined : `has index ${indices[beyond]!} at ${beyond}, expected less than ${values}`)
      );
    }
    case "float16":
      return count("words", code.bits.length, elements);
    case "int4": {
      if (!Number.isInteger(code.block) || code.block < 1) return `has blocks of ${code.block} elements, expected a positive integer`;
      const { rows, blocks } = blocksOf(code, shape);
      const beyond = code.codes.findIndex((c) => c < -8 || c > 7);
      return (
        count("codes", code.codes.length, elements) ??
        count("scales", code.scales.length, rows * blocks) ??
        (beyond < 0 ? undefined : `has code ${code.codes[beyond]!} at ${beyond}, expected -8..7`)
      );
    }
    case "int8": {
      const channels = shape[code.axis];
      if (channels === undefined) return `has scales along axis ${code.axis}, expected one of ${shape.length} axes`;
      return count("codes", code.codes.length, elements) ?? count("scales", code.scales.length, channels);
    }
  }
}

/** The code of the transposed constant; undefined where it has no such form (scales of blocks along a row, tables of rows). */
export function permuteCode<C extends WeightCode>(code: C, shape: Shape, perm: Perm): C | undefined;
export function permuteCode(code: WeightCode, shape: Shape, perm: Perm): WeightCode | undefined {
  switch (code.kind) {
    case "codebook":
      return { ...code, indices: permuteData(code.indices, "uint8", shape, perm) as Uint8Array };
    case "float16":
      return { ...code, bits: permuteData(code.bits, "uint16", shape, perm) as Uint16Array };
    case "int4":
    case "int8Codebook":
      return undefined;
    case "int8":
      return { ...code, axis: perm.indexOf(code.axis), codes: permuteData(code.codes, "int8", shape, perm) as Int8Array };
  }
}

/** The code of a matrix [N, K] whose column j is old column `columns[j]`; undefined where it has no such form, as above. */
export function permuteColumns(code: WeightCode, columns: Int32Array): WeightCode | undefined {
  const moved = <T extends TypedArray>(data: T): T => movedColumns(data, columns);
  switch (code.kind) {
    case "codebook":
    case "int8Codebook":
      return { ...code, indices: moved(code.indices) };
    case "float16":
      return { ...code, bits: moved(code.bits) };
    case "int4":
      return undefined;
    case "int8":
      return code.axis === 0 ? { ...code, codes: moved(code.codes) } : undefined;
  }
}

/** A matrix [N, K] whose column j is old column `columns[j]`. */
export function movedColumns<T extends TypedArray>(data: T, columns: Int32Array): T {
  const k = columns.length;
  const to = data.slice() as T;
  for (let row = 0; row + k <= data.length; row += k) for (let j = 0; j < k; j++) to[row + j] = data[row + columns[j]!]!;
  return to;
}

/** The tensor without its code: for whoever changes its data. */
export function withoutCode<T extends Tensor>(tensor: T): Omit<T, "code"> {
  const rest: Omit<T, "code"> & { code?: WeightCode } = { ...tensor };
  delete rest.code;
  return rest;
}
