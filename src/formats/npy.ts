/**
 * NumPy's .npy files, versions 1 and 2 (numpy/lib/format.py describes them): magic, a Python dictionary literal with element type,
 * order and shape, then the elements. Read in either byte order and either element order; written little-endian, row-major.
 */
import { FormatError, UnsupportedError, formatShape } from "../errors.ts";
import { bytesPerElement, createArray, elementCount, type DType, type TypedArray } from "../graph/dtype.ts";
import type { Shape } from "../graph/ir.ts";

export interface NpyArray {
  readonly dtype: DType;
  readonly shape: Shape;
  /** Row-major, a fresh array. */
  readonly data: TypedArray;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const MAX_RANK = 32;
/** Larger headers belong to structured types, which we do not read. */
const MAX_HEADER_BYTES = 65536;

/** numpy's type code without its byte order → our type. `u8` fits as long as its values do. */
const CODES: Readonly<Record<string, DType>> = {
  f4: "float32",
  f8: "float64",
  i1: "int8",
  u1: "uint8",
  i2: "int16",
  u2: "uint16",
  i4: "int32",
  u4: "uint32",
  i8: "int64",
  u8: "int64",
  b1: "bool",
};

/**
 * @param name file name for messages
 * @throws FormatError when header and bytes disagree, UnsupportedError for an element type that we do not hold
 */
export function readNpy(bytes: Uint8Array, name: string): NpyArray {
  const { text, dataStart } = readHeader(bytes, name);
  const descr = /['"]descr['"]\s*:\s*['"]([^'"]*)['"]/.exec(text)?.[1];
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text)?.[1];
  const dims = /['"]shape['"]\s*:\s*\(([^)]*)\)/.exec(text)?.[1];
  if (descr === undefined || order === undefined || dims === undefined) {
    if (/['"]descr['"]\s*:\s*\[/.test(text))
      throw new UnsupportedError(`${name}: a structured .npy type is not supported`, "Save one plain array.");
    throw new FormatError(`${name}: .npy header ${JSON.stringify(text.slice(0, 80))} lacks descr, fortran_order or shape`);
  }
  const { dtype, code, littleEndian } = parseDescr(descr, name);
  const shape = parseShape(dims, name);
  const expectedBytes = elementCount(shape) * bytesPerElement(dtype);
  const available = bytes.length - dataStart;
  if (expectedBytes !== available) {
    throw new FormatError(
      `${name}: ${available} bytes of data, expected ${expectedBytes} for ${descr} ${formatShape(shape)}`,
      "The file is truncated or damaged; write it again.",
    );
  }
  const data = decode(bytes, dataStart, elementCount(shape), dtype, code, littleEndian, name);
  return { dtype, shape, data: order === "True" ? toRowMajor(data, dtype, shape) : data };
}

function readHeader(bytes: Uint8Array, name: string): { text: string; dataStart: number } {
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new FormatError(`${name}: not a .npy file, expected the bytes \\x93NUMPY at its start`, "Write the array with numpy.save.");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const major = bytes[6]!;
  if (major !== 1 && major !== 2) throw new UnsupportedError(`${name}: .npy version ${major}.${bytes[7]!}, expected 1 or 2`);
  const start = major === 1 ? 10 : 12;
  if (bytes.length < start) throw new FormatError(`${name}: the file ends inside its header`);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER_BYTES || start + length > bytes.length) {
    throw new FormatError(`${name}: the header states ${length} bytes, the file has ${bytes.length - start} after it`);
  }
  return { text: new TextDecoder("latin1").decode(bytes.subarray(start, start + length)), dataStart: start + length };
}

function parseDescr(descr: string, name: string): { dtype: DType; code: string; littleEndian: boolean } {
  const match = /^([<>|=]?)([a-z]\d+|\?)$/.exec(descr);
  const code = match?.[2] === "?" ? "b1" : match?.[2];
  const dtype = code === undefined ? undefined : CODES[code];
  if (code === undefined || dtype === undefined) {
    throw new UnsupportedError(`${name}: element type "${descr}" is not supported, expected one of ${Object.keys(CODES).join(", ")}`);
  }
  return { dtype, code, littleEndian: match?.[1] !== ">" };
}

function parseShape(dims: string, name: string): Shape {
  const parts = dims
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const shape = parts.map((part) => (/^\d{1,15}L?$/.test(part) ? Number.parseInt(part, 10) : Number.NaN));
  if (shape.length > MAX_RANK || shape.some(Number.isNaN) || !Number.isSafeInteger(elementCount(shape))) {
    throw new FormatError(`${name}: shape (${dims.slice(0, 80)}) in the .npy header, expected at most ${MAX_RANK} whole numbers`);
  }
  return shape;
}

function decode(
  bytes: Uint8Array,
  start: number,
  count: number,
  dtype: DType,
  code: string,
  littleEndian: boolean,
  name: string,
): TypedArray {
  const data = createArray(dtype, count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = bytesPerElement(dtype);
  const read = (i: number): number => {
    const at = start + i * width;
    switch (code) {
      case "f4":
        return view.getFloat32(at, littleEndian);
      case "f8":
        return view.getFloat64(at, littleEndian);
      case "i1":
        return view.getInt8(at);
      case "b1":
        return view.getUint8(at) === 0 ? 0 : 1;
      case "i2":
        return view.getInt16(at, littleEndian);
      case "u2":
        return view.getUint16(at, littleEndian);
      case "i4":
        return view.getInt32(at, littleEndian);
      case "u4":
        return view.getUint32(at, littleEndian);
      case "i8":
        return exact(view.getBigInt64(at, littleEndian), name);
      case "u8":
        return exact(view.getBigUint64(at, littleEndian), name);
      default:
        return view.getUint8(at);
    }
  };
  for (let i = 0; i < count; i++) data[i] = read(i);
  return data;
}

function exact(value: bigint, name: string): number {
  if (value > 2n ** 53n || value < -(2n ** 53n)) throw new FormatError(`${name}: the integer ${value.toString()} is beyond 2^53`);
  return Number(value);
}

/** First axis fastest → last axis fastest. */
function toRowMajor(source: TypedArray, dtype: DType, shape: Shape): TypedArray {
  const result = createArray(dtype, source.length);
  const strides: number[] = [];
  let stride = 1;
  for (const d of shape) {
    strides.push(stride);
    stride *= d;
  }
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = source[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      from += strides[axis]!;
      if (index[axis]! < shape[axis]!) break;
      from -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}

/** Version 1 (2 where the header needs it), little-endian, row-major, data aligned to 64 bytes. */
export function writeNpy(array: NpyArray): Uint8Array {
  const { dtype, shape, data } = array;
  const count = elementCount(shape);
  if (data.length !== count) throw new FormatError(`.npy: ${data.length} elements, expected ${count} for shape ${formatShape(shape)}`);
  const code = Object.entries(CODES).find(([, t]) => t === dtype)![0];
  const order = bytesPerElement(dtype) === 1 ? "|" : "<";
  const dims = shape.length === 1 ? `${shape[0]!},` : shape.join(", ");
  const dictionary = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': (${dims}), }`;
  const version = dictionary.length + 75 > 65535 ? 2 : 1;
  const prefix = version === 1 ? 10 : 12;
  const dataStart = Math.ceil((prefix + dictionary.length + 1) / 64) * 64;
  const header = `${dictionary.padEnd(dataStart - prefix - 1)}\n`;
  const bytes = new Uint8Array(dataStart + count * bytesPerElement(dtype));
  const view = new DataView(bytes.buffer);
  bytes.set([...MAGIC, version, 0]);
  if (version === 1) view.setUint16(8, header.length, true);
  else view.setUint32(8, header.length, true);
  bytes.set(new TextEncoder().encode(header), prefix);
  if (dtype === "int64") {
    for (let i = 0; i < count; i++) view.setBigInt64(dataStart + 8 * i, BigInt(Math.trunc(data[i]!)), true);
  } else {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), dataStart);
  }
  return bytes;
}
