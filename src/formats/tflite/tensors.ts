/** TFLite tensors as IR tensors: element types, constants' data, quantization. */
import { UnsupportedError, formatShape } from "../../errors.ts";
import { bytesPerElement, elementCount, viewArray, type DType, type TypedArray } from "../../graph/dtype.ts";
import type { Quantization, Shape } from "../../graph/ir.ts";
import type { FileModel, FileTensor, TensorType } from "./schema.ts";

/** float16 exists only in files: constants are widened on load. */
const DTYPES: Readonly<Partial<Record<TensorType, DType>>> = {
  FLOAT32: "float32",
  FLOAT16: "float32",
  INT32: "int32",
  UINT8: "uint8",
  INT64: "int64",
  BOOL: "bool",
  INT16: "int16",
  INT8: "int8",
  FLOAT64: "float64",
  UINT32: "uint32",
  UINT16: "uint16",
};

/** `tensor 12 "name"`, for messages; converters chain names to hundreds of letters */
export function describeTensor(tensor: FileTensor): string {
  const { index, name } = tensor;
  return `tensor ${index} "${name.length > 80 ? `${name.slice(0, 79)}…` : name}"`;
}

export function dtypeOf(tensor: FileTensor, modelName: string): DType {
  const dtype = DTYPES[tensor.type];
  if (dtype === undefined || tensor.isSparse || tensor.isVariable) {
    const what = dtype === undefined ? `element type ${tensor.type}` : tensor.isSparse ? "sparse storage" : "a variable (state)";
    throw new UnsupportedError(`${modelName}: ${describeTensor(tensor)} has ${what}, which is not supported`);
  }
  return dtype;
}

/** The tensor's shape as the file gives it. Fails on negative dimensions and on more elements than any engine addresses. */
export function shapeOf(model: FileModel, tensor: FileTensor): Shape {
  const shape = [...tensor.shape];
  const limit = 2 ** 29;
  if (shape.some((d) => d < 0) || elementCount(shape) > limit) {
    model.file.fail(
      `${describeTensor(tensor)} has shape ${formatShape(shape)}, expected at most ${limit} elements and no negative dimension`,
    );
  }
  return shape;
}

const ZERO_POINT_RANGES: Readonly<Partial<Record<DType, readonly [number, number]>>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  int32: [-2147483648, 2147483647],
};

/** Only integer tensors keep it: float tensors can carry ranges left over from training, and shape tensors empty or zero scales. */
export function quantizationOf(model: FileModel, tensor: FileTensor, dtype: DType): Quantization | undefined {
  const file = tensor.quantization;
  const range = ZERO_POINT_RANGES[dtype];
  if (file === undefined || range === undefined) return undefined;
  const perAxis = file.scales.length > 1;
  const channels = perAxis ? tensor.shape[file.axis] : 1;
  const { scales } = file;
  if (scales.length !== channels || (file.zeroPoints.length > 1 && file.zeroPoints.length !== channels)) {
    model.file.fail(
      `${describeTensor(tensor)} has ${scales.length} scales and ${file.zeroPoints.length} zero points for axis ${file.axis} of ` +
        formatShape([...tensor.shape]),
    );
  }
  if (scales.some((scale) => !(scale > 0 && Number.isFinite(scale)))) {
    if (dtype === "int32") return undefined;
    model.file.fail(`${describeTensor(tensor)} has a quantization scale that is not a positive finite number`);
  }
  const first = file.zeroPoints[0] ?? 0;
  const zeroPoints = Int32Array.from(scales, (_, i) => file.zeroPoints[i] ?? first);
  if (file.zeroPoints.some((z) => z < range[0] || z > range[1])) {
    model.file.fail(`${describeTensor(tensor)} has a zero point outside ${range[0]} to ${range[1]}`);
  }
  return perAxis ? { scales, zeroPoints, axis: file.axis } : { scales, zeroPoints };
}

/** The tensor's data when it is a constant; a fresh array. Checks the buffer's length against shape and type before it allocates. */
export function constantData(model: FileModel, tensor: FileTensor, dtype: DType, shape: Shape): TypedArray | undefined {
  const bytes = model.buffer(tensor.buffer);
  if (bytes.length === 0) return undefined;
  const count = elementCount(shape);
  const fileBytes = tensor.type === "FLOAT16" ? 2 : bytesPerElement(dtype);
  if (bytes.length !== count * fileBytes) {
    model.file.fail(
      `${describeTensor(tensor)} has ${bytes.length} bytes of data, expected ${count * fileBytes} for ${tensor.type} ${formatShape(shape)}`,
    );
  }
  model.file.spend(bytes.length);
  const copy = new Uint8Array(bytes);
  if (tensor.type === "FLOAT16") return widenHalves(new Uint16Array(copy.buffer));
  if (tensor.type === "INT64") {
    const wide = new BigInt64Array(copy.buffer);
    if (wide.some((v) => v > 2n ** 53n || v < -(2n ** 53n))) model.file.fail(`${describeTensor(tensor)} holds an integer beyond 2^53`);
    return Float64Array.from(wide, Number);
  }
  return viewArray(dtype, copy.buffer, 0, count);
}

function widenHalves(halves: Uint16Array): Float32Array {
  const wide = new Float32Array(halves.length);
  for (let i = 0; i < wide.length; i++) wide[i] = halfToFloat(halves[i]!);
  return wide;
}

/** IEEE 754 binary16 bits → number. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
