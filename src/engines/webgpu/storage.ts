/**
 * How tensors lie in GPU buffers.
 * - `f32`: float32, row-major.
 * - `i32`: one int32 word an element, for every integer type that is not 8 bits (int64 values beyond int32 are refused) and for bool.
 * - `i8`: int8 and uint8, four bytes a word, lane 0 lowest; each row of the last axis starts a word, so `[1,5,5,6]` takes 8 bytes a
 *   pixel. The tail of a row is never read as data. uint8 values are stored minus 128 (their zero points and bounds too): kernels see
 *   int8 only.
 */
import { UnsupportedError } from "../../errors.ts";
import { bytesPerElement, createArray, elementCount } from "../../graph/dtype.ts";
import type { DType, TypedArray } from "../../graph/dtype.ts";
import type { Shape, Tensor } from "../../graph/ir.ts";
import { alignBytes } from "./ledger.ts";

export type Format = "f32" | "i32" | "i8";

type TensorType = Pick<Tensor, "name" | "dtype" | "shape">;

/** @throws UnsupportedError for float64, which GPUs lack */
export function formatOf(tensor: Pick<Tensor, "name" | "dtype">): Format {
  switch (tensor.dtype) {
    case "float32":
      return "f32";
    case "float64":
      throw new UnsupportedError(
        `tensor "${tensor.name}" on webgpu: float64, expected float32 or an integer type`,
        "Cast it to float32, or use the cpu target.",
      );
    case "int8":
    case "uint8":
      return "i8";
    default:
      return "i32";
  }
}

/** What the stored value of an 8-bit type is less than the real one. */
export function storedShift(dtype: DType): number {
  return dtype === "uint8" ? 128 : 0;
}

/** Elements along the last axis; 1 for a scalar. */
export function rowLength(shape: Shape): number {
  return shape.length === 0 ? 1 : shape[shape.length - 1]!;
}

/** Words of one row of bytes. */
export function rowWords(shape: Shape): number {
  return Math.ceil(rowLength(shape) / 4);
}

export function rowCount(shape: Shape): number {
  return shape.length === 0 ? 1 : elementCount(shape.slice(0, -1));
}

/** Words that the tensor takes, tails included. */
export function storedWords(tensor: TensorType): number {
  return formatOf(tensor) === "i8" ? rowCount(tensor.shape) * rowWords(tensor.shape) : elementCount(tensor.shape);
}

/** Bytes of its buffer: whole vec4s, so that kernels may read four words at once. */
export function storedBytes(tensor: TensorType): number {
  return alignBytes(storedWords(tensor) * 4, 16);
}

/**
 * Steps between neighbours of each axis: in bytes for `i8`, in words otherwise.
 */
export function storedSteps(format: Format, shape: Shape): number[] {
  const steps = new Array<number>(shape.length).fill(1);
  let step = format === "i8" ? rowWords(shape) * 4 : rowLength(shape);
  for (let d = shape.length - 2; d >= 0; d--) {
    steps[d] = step;
    step *= shape[d]!;
  }
  return steps;
}

/** A tensor's elements as they lie in a buffer; a fresh array or a view of `data`. */
export function toStored(tensor: TensorType, data: TypedArray): Uint32Array | Float32Array | Int32Array {
  switch (formatOf(tensor)) {
    case "f32":
      return data as Float32Array;
    case "i32":
      return toWords(tensor, data);
    case "i8":
      return toPackedRows(tensor, data);
  }
}

function toWords(tensor: TensorType, data: TypedArray): Int32Array {
  if (data instanceof Int32Array) return data;
  const words = new Int32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const v = data[i]!;
    if (tensor.dtype === "int64" && (v < -2147483648 || v > 2147483647)) {
      throw new UnsupportedError(
        `tensor "${tensor.name}" on webgpu: int64 value at ${i}, got ${v}, expected -2147483648 to 2147483647`,
        "Use the cpu target.",
      );
    }
    words[i] = v;
  }
  return words;
}

function toPackedRows(tensor: TensorType, data: TypedArray): Uint32Array {
  const length = rowLength(tensor.shape);
  const padded = rowWords(tensor.shape) * 4;
  const bytes = new Uint8Array(rowCount(tensor.shape) * padded);
  const flip = storedShift(tensor.dtype);
  if (length === padded && flip === 0) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.length));
  } else {
    for (let from = 0, to = 0; from < data.length; to += padded) {
      for (let c = 0; c < length; c++) bytes[to + c] = data[from++]! ^ flip;
    }
  }
  return new Uint32Array(bytes.buffer);
}

/**
 * The reverse: `stored` holds at least the tensor's bytes, from a multiple of 4.
 * @param out of the tensor's type and length, which is filled and returned; absent: a fresh one
 */
export function fromStored(
  tensor: TensorType,
  stored: ArrayBuffer,
  from = 0,
  out: TypedArray = createArray(tensor.dtype, elementCount(tensor.shape)),
): TypedArray {
  const count = out.length;
  switch (formatOf(tensor)) {
    case "f32":
      out.set(new Float32Array(stored, from, count));
      return out;
    case "i32":
      out.set(tensor.dtype === "uint32" ? new Uint32Array(stored, from, count) : new Int32Array(stored, from, count));
      return out;
    case "i8": {
      const length = rowLength(tensor.shape);
      const padded = rowWords(tensor.shape) * 4;
      const flip = storedShift(tensor.dtype);
      const bytes = tensor.dtype === "int8" ? new Int8Array(stored, from) : new Uint8Array(stored, from);
      for (let row = 0, to = 0; to < count; row += padded) {
        for (let c = 0; c < length; c++) out[to++] = bytes[row + c]! ^ flip;
      }
      return out;
    }
  }
}

/** Bytes of the tensor as the graph sees it. */
export function denseBytes(tensor: TensorType): number {
  return elementCount(tensor.shape) * bytesPerElement(tensor.dtype);
}
