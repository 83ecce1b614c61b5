/** Element types of tensors and the typed arrays that hold them. */

export type DType = "float32" | "float64" | "int8" | "uint8" | "int16" | "uint16" | "int32" | "uint32" | "int64" | "bool";

/**
 * `int64` is held in a Float64Array: exact up to 2^53, and shapes and indices (what int64 carries in models) never exceed that;
 * importers reject larger values. `bool` is one byte, 0 or 1.
 */
export type TypedArray = Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

interface DTypeFacts {
  readonly bytes: number;
  readonly create: (length: number) => TypedArray;
  readonly view: (buffer: ArrayBufferLike, byteOffset: number, length: number) => TypedArray;
}

const FACTS: Readonly<Record<DType, DTypeFacts>> = {
  float32: { bytes: 4, create: (n) => new Float32Array(n), view: (b, o, n) => new Float32Array(b, o, n) },
  float64: { bytes: 8, create: (n) => new Float64Array(n), view: (b, o, n) => new Float64Array(b, o, n) },
  int8: { bytes: 1, create: (n) => new Int8Array(n), view: (b, o, n) => new Int8Array(b, o, n) },
  uint8: { bytes: 1, create: (n) => new Uint8Array(n), view: (b, o, n) => new Uint8Array(b, o, n) },
  int16: { bytes: 2, create: (n) => new Int16Array(n), view: (b, o, n) => new Int16Array(b, o, n) },
  uint16: { bytes: 2, create: (n) => new Uint16Array(n), view: (b, o, n) => new Uint16Array(b, o, n) },
  int32: { bytes: 4, create: (n) => new Int32Array(n), view: (b, o, n) => new Int32Array(b, o, n) },
  uint32: { bytes: 4, create: (n) => new Uint32Array(n), view: (b, o, n) => new Uint32Array(b, o, n) },
  int64: { bytes: 8, create: (n) => new Float64Array(n), view: (b, o, n) => new Float64Array(b, o, n) },
  bool: { bytes: 1, create: (n) => new Uint8Array(n), view: (b, o, n) => new Uint8Array(b, o, n) },
};

export const DTYPES = Object.keys(FACTS) as readonly DType[];

export function bytesPerElement(dtype: DType): number {
  return FACTS[dtype].bytes;
}

export function createArray(dtype: DType, length: number): TypedArray {
  return FACTS[dtype].create(length);
}

/** A view of `length` elements at `byteOffset`, which must be aligned to the element size. */
export function viewArray(dtype: DType, buffer: ArrayBufferLike, byteOffset: number, length: number): TypedArray {
  return FACTS[dtype].view(buffer, byteOffset, length);
}

export function isFloat(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float64";
}

export function elementCount(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}
