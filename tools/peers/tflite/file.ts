/**
 * Writes a TFLite file (schema version 3) from plain objects, with the flatbuffers library's Builder: what runtimes that take only
 * .tflite need to run a graph of ours. Field numbers, operator codes and option types are the schema's
 * (tensorflow/lite/schema/schema.fbs); they never change there.
 */
import { Builder } from "flatbuffers";
import { TENSOR_TYPES, operatorCode, type TensorType } from "../../../src/formats/tflite/schema.ts";

export interface TfliteTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: TensorType;
  readonly quant?: { readonly scales: ArrayLike<number>; readonly zeroPoints: ArrayLike<number>; readonly axis: number };
  /** Little-endian bytes of a constant. */
  readonly data?: ArrayBufferView;
}

/** One field of an options table. */
export interface OptionField {
  readonly field: number;
  readonly type: "byte" | "int32" | "float32";
  readonly value: number;
}

export interface TfliteOperator {
  readonly op: string;
  /** Lowest version of the operator that has what is used of it. */
  readonly version: number;
  /** Indices of tensors; -1 for an absent optional input. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** `type` is the number of the table in the schema's union `BuiltinOptions`. */
  readonly options?: { readonly type: number; readonly fields: readonly OptionField[] };
}

export interface TfliteModel {
  readonly name: string;
  readonly tensors: readonly TfliteTensor[];
  readonly operators: readonly TfliteOperator[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

const SCHEMA_VERSION = 3;
/** Runtimes map weights in place and load them with vector instructions. */
const BUFFER_ALIGNMENT = 16;

export function writeTflite(model: TfliteModel): Uint8Array {
  const b = new Builder(1 << 16);
  const codes = [...new Set(model.operators.map(codeKey))];
  const codeTables = codes.map((key) => {
    const [op = "", version = "1"] = key.split("@");
    const code = operatorCode(op);
    if (code < 0) throw new Error(`internal: TFLite has no operator ${op}`);
    b.startObject(4);
    // Readers older than the wide field look at the one-byte field.
    b.addFieldInt8(0, Math.min(code, 127), 0);
    b.addFieldInt32(2, Number(version), 1);
    b.addFieldInt32(3, code, 0);
    return b.endObject();
  });
  // Buffer 0 is empty by convention; constant tensors have one each.
  const constants = model.tensors.filter((t) => t.data !== undefined);
  const buffers = [undefined, ...constants].map((tensor) => writeBuffer(b, tensor?.data));
  const tensors = model.tensors.map((t) => writeTensor(b, t, constants.indexOf(t) + 1));
  const operators = model.operators.map((o) => writeOperator(b, o, codes.indexOf(codeKey(o))));
  const name = b.createString(model.name);
  const parts = [offsets(b, tensors), int32s(b, model.inputs), int32s(b, model.outputs), offsets(b, operators), name];
  b.startObject(5);
  parts.forEach((part, field) => b.addFieldOffset(field, part, 0));
  const subgraph = b.endObject();
  const [codeVector, subgraphs, bufferVector] = [offsets(b, codeTables), offsets(b, [subgraph]), offsets(b, buffers)];
  b.startObject(5);
  b.addFieldInt32(0, SCHEMA_VERSION, 0);
  b.addFieldOffset(1, codeVector, 0);
  b.addFieldOffset(2, subgraphs, 0);
  b.addFieldOffset(4, bufferVector, 0);
  b.finish(b.endObject(), "TFL3");
  return b.asUint8Array().slice();
}

function codeKey({ op, version }: TfliteOperator): string {
  return `${op}@${version}`;
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

function writeBuffer(b: Builder, data: ArrayBufferView | undefined): number {
  let vector = 0;
  if (data !== undefined) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    b.startVector(1, bytes.length, BUFFER_ALIGNMENT);
    for (let i = bytes.length - 1; i >= 0; i--) b.addInt8(bytes[i]!);
    vector = b.endVector();
  }
  b.startObject(1);
  if (vector !== 0) b.addFieldOffset(0, vector, 0);
  return b.endObject();
}

function writeTensor(b: Builder, tensor: TfliteTensor, buffer: number): number {
  const name = b.createString(tensor.name);
  const shape = int32s(b, tensor.shape);
  const quant = tensor.quant === undefined ? 0 : writeQuantization(b, tensor.quant);
  b.startObject(9);
  b.addFieldOffset(0, shape, 0);
  b.addFieldInt8(1, TENSOR_TYPES.indexOf(tensor.type), 0);
  b.addFieldInt32(2, buffer, 0);
  b.addFieldOffset(3, name, 0);
  if (quant !== 0) b.addFieldOffset(4, quant, 0);
  return b.endObject();
}

function writeQuantization(b: Builder, { scales, zeroPoints, axis }: NonNullable<TfliteTensor["quant"]>): number {
  b.startVector(4, scales.length, 4);
  for (let i = scales.length - 1; i >= 0; i--) b.addFloat32(scales[i]!);
  const scaleVector = b.endVector();
  b.startVector(8, zeroPoints.length, 8);
  for (let i = zeroPoints.length - 1; i >= 0; i--) b.addInt64(BigInt(zeroPoints[i]!));
  const zeroVector = b.endVector();
  b.startObject(7);
  b.addFieldOffset(2, scaleVector, 0);
  b.addFieldOffset(3, zeroVector, 0);
  b.addFieldInt32(6, axis, 0);
  return b.endObject();
}

function writeOperator(b: Builder, operator: TfliteOperator, code: number): number {
  const { options } = operator;
  let table = 0;
  if (options !== undefined) {
    b.startObject(Math.max(0, ...options.fields.map((f) => f.field + 1)));
    for (const { field, type, value } of options.fields) {
      // The default is never left out: no reader has to know it.
      b.forceDefaults(true);
      if (type === "byte") b.addFieldInt8(field, value, 0);
      else if (type === "int32") b.addFieldInt32(field, value, 0);
      else b.addFieldFloat32(field, value, 0);
      b.forceDefaults(false);
    }
    table = b.endObject();
  }
  const inputs = int32s(b, operator.inputs);
  const outputs = int32s(b, operator.outputs);
  b.startObject(5);
  b.addFieldInt32(0, code, 0);
  b.addFieldOffset(1, inputs, 0);
  b.addFieldOffset(2, outputs, 0);
  if (options !== undefined) {
    b.addFieldInt8(3, options.type, 0);
    b.addFieldOffset(4, table, 0);
  }
  return b.endObject();
}
