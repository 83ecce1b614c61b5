/**
 * TensorProto ↔ typed arrays. Every length is checked against the dims before anything is allocated. float16 becomes float32 (exact);
 * int64 becomes a Float64Array, where the "to the end" sentinels near ±2^63 are held as ±MAX_SAFE_INTEGER.
 */
import { FormatError, UnsupportedError, formatShape } from "../../errors.ts";
import { bytesPerElement, createArray, type DType, type TypedArray } from "../../graph/dtype.ts";
import type { Shape } from "../../graph/ir.ts";
import type { Int64Like, TensorProto } from "./proto.ts";

/** TensorProto.DataType numbers. */
export const ELEM = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
} as const;

const NAMES: readonly string[] = [
  ...["undefined", "float", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "double", "uint32"],
  ...["uint64", "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4", "int4"],
];

const TO_IR: ReadonlyMap<number, DType> = new Map<number, DType>([
  [ELEM.FLOAT, "float32"],
  [ELEM.UINT8, "uint8"],
  [ELEM.INT8, "int8"],
  [ELEM.UINT16, "uint16"],
  [ELEM.INT16, "int16"],
  [ELEM.INT32, "int32"],
  [ELEM.INT64, "int64"],
  [ELEM.BOOL, "bool"],
  [ELEM.FLOAT16, "float32"],
  [ELEM.DOUBLE, "float64"],
  [ELEM.UINT32, "uint32"],
]);

const FROM_IR: Readonly<Record<DType, number>> = {
  float32: ELEM.FLOAT,
  float64: ELEM.DOUBLE,
  int8: ELEM.INT8,
  uint8: ELEM.UINT8,
  int16: ELEM.INT16,
  uint16: ELEM.UINT16,
  int32: ELEM.INT32,
  uint32: ELEM.UINT32,
  int64: ELEM.INT64,
  bool: ELEM.BOOL,
};

/** Elements of one tensor at most: 2^31 bytes of float32. */
export const MAX_ELEMENTS = 2 ** 29;

export function elemName(elemType: number): string {
  return NAMES[elemType] ?? `type ${elemType}`;
}

/** The IR type that holds an ONNX element type (float16 is widened to float32). @throws UnsupportedError */
export function irType(elemType: number, where: string): DType {
  const dtype = TO_IR.get(elemType);
  if (dtype === undefined) {
    const known = [...TO_IR.keys()].map(elemName).join(", ");
    throw new UnsupportedError(`${where}: element type ${elemName(elemType)} is not supported, expected one of ${known}`);
  }
  return dtype;
}

export function onnxType(dtype: DType): number {
  return FROM_IR[dtype];
}

/**
 * A 64-bit integer as a number. Values beyond 2^53 are accepted only where they stand for "to the end" (|v| ≥ 2^62).
 * @throws FormatError
 */
export function toInteger(value: Int64Like, where: string): number {
  const n = typeof value === "number" ? value : value.toNumber();
  if (Number.isSafeInteger(n)) return n;
  if (Math.abs(n) >= 2 ** 62) return Math.sign(n) * Number.MAX_SAFE_INTEGER;
  throw new FormatError(`${where}: integer ${n} is too large, expected at most 2^53`);
}

/** @throws FormatError on negative dims or more than MAX_ELEMENTS elements */
export function checkedCount(shape: Shape, where: string): number {
  let count = 1;
  for (const d of shape) {
    if (!Number.isInteger(d) || d < 0) throw new FormatError(`${where}: dimension ${d} in ${formatShape(shape)}, expected 0 or more`);
    count *= d;
  }
  if (count > MAX_ELEMENTS) {
    throw new FormatError(`${where}: ${formatShape(shape)} has ${count} elements, expected at most ${MAX_ELEMENTS}`);
  }
  return count;
}

export interface TensorValue {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TypedArray;
}

/** @throws FormatError, UnsupportedError */
export function readTensor(proto: TensorProto, where: string): TensorValue {
  if (proto.dataLocation === 1 || proto.externalData.length > 0) {
    const file = proto.externalData.find((e) => e.key === "location")?.value ?? "another file";
    throw new UnsupportedError(`${where}: its data is in "${file}", expected it inside the model`, "Save the model without external data");
  }
  const dtype = irType(proto.dataType, where);
  const shape = proto.dims.map((d) => toInteger(d, where));
  const count = checkedCount(shape, where);
  const raw = proto.rawData;
  if (raw !== undefined && raw.length > 0) return { dtype, shape, data: readRaw(raw, proto.dataType, dtype, count, where) };
  return { dtype, shape, data: readFields(proto, dtype, count, where) };
}

function readRaw(raw: Uint8Array, elemType: number, dtype: DType, count: number, where: string): TypedArray {
  const width = elemType === ELEM.FLOAT16 ? 2 : bytesPerElement(dtype);
  if (raw.length !== count * width) {
    throw new FormatError(`${where}: ${raw.length} bytes of data, expected ${count * width} for ${count} × ${elemName(elemType)}`);
  }
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const data = createArray(dtype, count);
  if (elemType === ELEM.INT64) {
    for (let i = 0; i < count; i++) data[i] = toInteger(Number(view.getBigInt64(i * 8, true)), where);
  } else if (elemType === ELEM.FLOAT16) {
    for (let i = 0; i < count; i++) data[i] = float16ToNumber(view.getUint16(i * 2, true));
  } else {
    // Typed arrays are little-endian on every platform that Node runs on, as ONNX's raw data is.
    new Uint8Array(data.buffer).set(raw);
  }
  return data;
}

function readFields(proto: TensorProto, dtype: DType, count: number, where: string): TypedArray {
  const source = fieldOf(proto);
  if (source.length !== count) {
    throw new FormatError(`${where}: ${source.length} values, expected ${count} for ${formatShape(proto.dims.map(Number))}`);
  }
  const data = createArray(dtype, count);
  const half = proto.dataType === ELEM.FLOAT16;
  for (let i = 0; i < count; i++) {
    const value = toNumber(source[i]!, where);
    data[i] = half ? float16ToNumber(value & 0xffff) : value;
  }
  return data;
}

function toNumber(value: Int64Like, where: string): number {
  return typeof value === "number" ? value : toInteger(value, where);
}

/** The repeated field that holds a type's values when there is no raw data. */
function fieldOf(proto: TensorProto): readonly Int64Like[] {
  switch (proto.dataType) {
    case ELEM.FLOAT:
      return proto.floatData;
    case ELEM.DOUBLE:
      return proto.doubleData;
    case ELEM.INT64:
      return proto.int64Data;
    case ELEM.UINT32:
      return proto.uint64Data;
    default:
      return proto.int32Data;
  }
}

function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A TensorProto for writing. */
export function writeTensor(name: string, dtype: DType, shape: Shape, data: TypedArray): object {
  let raw: Uint8Array;
  if (dtype === "int64") {
    raw = new Uint8Array(data.length * 8);
    const view = new DataView(raw.buffer);
    for (let i = 0; i < data.length; i++) view.setBigInt64(i * 8, BigInt(data[i]!), true);
  } else {
    raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  return { name, dims: [...shape], dataType: onnxType(dtype), rawData: raw };
}
