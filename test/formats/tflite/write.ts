/** Writes small TFLite files for tests, with the flatbuffers library's Builder. Field numbers are the schema's. */
import { Builder } from "flatbuffers";
import { TENSOR_TYPES, operatorCode, type TensorType } from "../../../src/formats/tflite/schema.ts";

export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: TensorType;
  /** Raw little-endian bytes of a constant. */
  readonly data?: ArrayBufferView;
  readonly quant?: { readonly scales: readonly number[]; readonly zeroPoints: readonly number[]; readonly axis?: number };
  readonly signature?: readonly number[];
}

/** One field of an options table. */
export type OptionField =
  | { readonly field: number; readonly int8: number }
  | { readonly field: number; readonly int32: number }
  | { readonly field: number; readonly float32: number }
  | { readonly field: number; readonly bool: boolean }
  | { readonly field: number; readonly int32s: readonly number[] };

export interface OperatorSpec {
  readonly op: string;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options?: readonly OptionField[];
}

export interface ModelSpec {
  readonly tensors: readonly TensorSpec[];
  readonly operators: readonly OperatorSpec[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly version?: number;
  /** Lists the first tensor that many more times, sharing its bytes: a well-formed file of hostile intent. */
  readonly repeatFirstTensor?: number;
}

export function writeTflite(model: ModelSpec): Uint8Array {
  const b = new Builder(1024);
  const ops = [...new Set(model.operators.map((o) => o.op))];
  const codes = ops.map((op) => {
    const code = operatorCode(op);
    const custom = code < 0 ? b.createString(op) : 0;
    b.startObject(4);
    b.addFieldInt8(0, code < 0 ? 32 : Math.min(code, 127), 0);
    if (custom !== 0) b.addFieldOffset(1, custom, 0);
    b.addFieldInt32(2, 1, 1);
    b.addFieldInt32(3, code < 0 ? 32 : code, 0);
    return b.endObject();
  });
  // Buffer 0 is empty by convention; tensor i uses buffer i + 1.
  const buffers = [undefined, ...model.tensors.map((t) => t.data)].map((data) => {
    let vector = 0;
    if (data !== undefined) {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      b.startVector(1, bytes.length, 16);
      for (let i = bytes.length - 1; i >= 0; i--) b.addInt8(bytes[i]!);
      vector = b.endVector();
    }
    b.startObject(1);
    if (vector !== 0) b.addFieldOffset(0, vector, 0);
    return b.endObject();
  });
  const tensors = model.tensors.map((t, i) => writeTensor(b, t, i + 1));
  const operators = model.operators.map((o) => writeOperator(b, o, ops.indexOf(o.op)));
  const repeated = new Array<number>(model.repeatFirstTensor ?? 0).fill(tensors[0] ?? 0);
  const parts = [offsets(b, [...tensors, ...repeated]), int32s(b, model.inputs), int32s(b, model.outputs), offsets(b, operators)];
  b.startObject(5);
  parts.forEach((part, field) => b.addFieldOffset(field, part, 0));
  const subgraph = b.endObject();
  const [codeVector, subgraphs, bufferVector] = [offsets(b, codes), offsets(b, [subgraph]), offsets(b, buffers)];
  b.startObject(5);
  b.addFieldInt32(0, model.version ?? 3, 0);
  b.addFieldOffset(1, codeVector, 0);
  b.addFieldOffset(2, subgraphs, 0);
  b.addFieldOffset(4, bufferVector, 0);
  b.finish(b.endObject(), "TFL3");
  return b.asUint8Array().slice();
}

function offsets(b: Builder, values: readonly number[]): number {
  b.startVector(4, values.length, 4);
  for (const value of values.toReversed()) b.addOffset(value);
  return b.endVector();
}

function int32s(b: Builder, values: readonly number[]): number {
  b.startVector(4, values.length, 4);
  for (const value of values.toReversed()) b.addInt32(value);
  return b.endVector();
}

function writeTensor(b: Builder, tensor: TensorSpec, buffer: number): number {
  const name = b.createString(tensor.name);
  const shape = int32s(b, tensor.shape);
  const signature = tensor.signature === undefined ? 0 : int32s(b, tensor.signature);
  const quant = tensor.quant === undefined ? 0 : writeQuantization(b, tensor.quant);
  b.startObject(9);
  b.addFieldOffset(0, shape, 0);
  b.addFieldInt8(1, TENSOR_TYPES.indexOf(tensor.type), 0);
  b.addFieldInt32(2, buffer, 0);
  b.addFieldOffset(3, name, 0);
  if (quant !== 0) b.addFieldOffset(4, quant, 0);
  if (signature !== 0) b.addFieldOffset(7, signature, 0);
  return b.endObject();
}

function writeQuantization(b: Builder, quant: NonNullable<TensorSpec["quant"]>): number {
  b.startVector(4, quant.scales.length, 4);
  for (const scale of quant.scales.toReversed()) b.addFloat32(scale);
  const scales = b.endVector();
  b.startVector(8, quant.zeroPoints.length, 8);
  for (const zero of quant.zeroPoints.toReversed()) b.addInt64(BigInt(zero));
  const zeroPoints = b.endVector();
  b.startObject(7);
  b.addFieldOffset(2, scales, 0);
  b.addFieldOffset(3, zeroPoints, 0);
  b.addFieldInt32(6, quant.axis ?? 0, 0);
  return b.endObject();
}

function writeOperator(b: Builder, operator: OperatorSpec, code: number): number {
  const fields = operator.options ?? [];
  const vectors = fields.map((f) => ("int32s" in f ? int32s(b, f.int32s) : 0));
  let options = 0;
  if (fields.length > 0) {
    b.startObject(Math.max(...fields.map((f) => f.field)) + 1);
    fields.forEach((f, i) => {
      if ("int8" in f) b.addFieldInt8(f.field, f.int8, 0);
      else if ("int32" in f) b.addFieldInt32(f.field, f.int32, 0);
      else if ("float32" in f) b.addFieldFloat32(f.field, f.float32, 0);
      else if ("bool" in f) b.addFieldInt8(f.field, f.bool ? 1 : 0, 0);
      else b.addFieldOffset(f.field, vectors[i]!, 0);
    });
    options = b.endObject();
  }
  const inputs = int32s(b, operator.inputs);
  const outputs = int32s(b, operator.outputs);
  b.startObject(5);
  b.addFieldInt32(0, code, 0);
  b.addFieldOffset(1, inputs, 0);
  b.addFieldOffset(2, outputs, 0);
  if (options !== 0) {
    b.addFieldInt8(3, 1, 0);
    b.addFieldOffset(4, options, 0);
  }
  return b.endObject();
}

const padding = { same: 0, valid: 1 } as const;

/** Options of CONV_2D. */
export function convOptions(pad: "same" | "valid", stride: number, activation = 0): readonly OptionField[] {
  return [
    { field: 0, int8: padding[pad] },
    { field: 1, int32: stride },
    { field: 2, int32: stride },
    { field: 3, int8: activation },
  ];
}

/** Options of DEPTHWISE_CONV_2D. */
export function depthwiseOptions(pad: "same" | "valid", stride: number, multiplier: number, activation = 0): readonly OptionField[] {
  return [
    { field: 0, int8: padding[pad] },
    { field: 1, int32: stride },
    { field: 2, int32: stride },
    { field: 3, int32: multiplier },
    { field: 4, int8: activation },
  ];
}

/** Options of the pools. */
export function poolOptions(pad: "same" | "valid", stride: number, size: number): readonly OptionField[] {
  return [
    { field: 0, int8: padding[pad] },
    { field: 1, int32: stride },
    { field: 2, int32: stride },
    { field: 3, int32: size },
    { field: 4, int32: size },
  ];
}

/** A graph input and one operator with one output: tensor 0 in, the last tensor out, constants between. */
export function oneOperator(
  op: string,
  input: TensorSpec,
  constants: readonly TensorSpec[],
  output: TensorSpec,
  options: readonly OptionField[] = [],
): Uint8Array {
  const last = constants.length + 1;
  return writeTflite({
    tensors: [input, ...constants, output],
    operators: [{ op, inputs: Array.from({ length: last }, (_, i) => i), outputs: [last], options }],
    inputs: [0],
    outputs: [last],
  });
}

/** Two convolutions, a pool, a dense layer and a softmax in int8: a small stand-in for a real file. */
export function smallNet(): Uint8Array {
  const act = (scale: number, zero: number): NonNullable<TensorSpec["quant"]> => ({ scales: [scale], zeroPoints: [zero] });
  const bytes = (n: number, step: number): Int8Array => Int8Array.from({ length: n }, (_, i) => ((i * step) % 255) - 127);
  const scales = [0.01, 0.02, 0.015, 0.03];
  const zeros = [0, 0, 0, 0];
  return writeTflite({
    tensors: [
      { name: "in", shape: [1, 6, 6, 1], type: "INT8", quant: act(0.05, 3), signature: [-1, 6, 6, 1] },
      { name: "w0", shape: [4, 3, 3, 1], type: "INT8", data: bytes(36, 37), quant: { scales, zeroPoints: zeros, axis: 0 } },
      {
        name: "b0",
        shape: [4],
        type: "INT32",
        data: Int32Array.of(10, -20, 30, 0),
        quant: { scales: scales.map((s) => s * 0.05), zeroPoints: zeros, axis: 0 },
      },
      { name: "c0", shape: [1, 3, 3, 4], type: "INT8", quant: act(0.04, -128) },
      { name: "w1", shape: [1, 3, 3, 4], type: "INT8", data: bytes(36, 91), quant: { scales, zeroPoints: zeros, axis: 3 } },
      { name: "c1", shape: [1, 3, 3, 4], type: "INT8", quant: act(0.06, 5) },
      { name: "p", shape: [1, 1, 1, 4], type: "INT8", quant: act(0.06, 5) },
      { name: "shape", shape: [2], type: "INT32", data: Int32Array.of(-1, 4) },
      { name: "flat", shape: [1, 4], type: "INT8", quant: act(0.06, 5) },
      { name: "w2", shape: [3, 4], type: "INT8", data: bytes(12, 53), quant: { scales: [0.02], zeroPoints: [0] } },
      { name: "logits", shape: [1, 3], type: "INT8", quant: act(0.1, 0) },
      { name: "out", shape: [1, 3], type: "INT8", quant: act(1 / 256, -128) },
    ],
    operators: [
      { op: "CONV_2D", inputs: [0, 1, 2], outputs: [3], options: convOptions("same", 2, 1) },
      { op: "DEPTHWISE_CONV_2D", inputs: [3, 4, -1], outputs: [5], options: depthwiseOptions("same", 1, 1) },
      { op: "AVERAGE_POOL_2D", inputs: [5], outputs: [6], options: poolOptions("valid", 3, 3) },
      { op: "RESHAPE", inputs: [6, 7], outputs: [8] },
      { op: "FULLY_CONNECTED", inputs: [8, 9, -1], outputs: [10], options: [{ field: 0, int8: 0 }] },
      { op: "SOFTMAX", inputs: [10], outputs: [11], options: [{ field: 0, float32: 1 }] },
    ],
    inputs: [0],
    outputs: [11],
  });
}
