/**
 * The part of the TFLite schema (version 3, tensorflow/lite/schema/schema.fbs) that we read, as plain objects. Field numbers are the
 * schema's; they never change there, new fields are only appended.
 */
import { FlatFile, type FlatTable } from "./table.ts";

/** `TensorType` */
export const TENSOR_TYPES = [
  "FLOAT32",
  "FLOAT16",
  "INT32",
  "UINT8",
  "INT64",
  "STRING",
  "BOOL",
  "INT16",
  "COMPLEX64",
  "INT8",
  "FLOAT64",
  "COMPLEX128",
  "UINT64",
  "RESOURCE",
  "VARIANT",
  "UINT32",
  "UINT16",
  "INT4",
] as const;
export type TensorType = (typeof TENSOR_TYPES)[number];

/** `BuiltinOperator` 0–117, in order; the later ones that we name in messages follow in `LATER_OPERATORS`. */
const OPERATORS = (
  "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED " +
  "HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU " +
  "RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM " +
  "EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE " +
  "UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE " +
  "BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN " +
  "TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD " +
  "REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD " +
  "RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE " +
  "RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH"
).split(" ");

const LATER_OPERATORS: Readonly<Record<number, string>> = {
  118: "IF",
  119: "WHILE",
  124: "DENSIFY",
  126: "BATCH_MATMUL",
  130: "BROADCAST_TO",
  142: "VAR_HANDLE",
  150: "GELU",
};

export function operatorName(code: number): string {
  return OPERATORS[code] ?? LATER_OPERATORS[code] ?? `builtin operator ${code}`;
}

export function operatorCode(name: string): number {
  const index = OPERATORS.indexOf(name);
  if (index >= 0) return index;
  const later = Object.entries(LATER_OPERATORS).find(([, n]) => n === name);
  return later === undefined ? -1 : Number(later[0]);
}

export interface FileQuantization {
  readonly scales: Float32Array;
  readonly zeroPoints: readonly number[];
  readonly axis: number;
}

export interface FileTensor {
  readonly index: number;
  readonly name: string;
  readonly shape: Int32Array;
  /** -1 marks a dynamic dimension; empty when the file gives none. */
  readonly signature: Int32Array;
  readonly type: TensorType;
  readonly buffer: number;
  readonly quantization?: FileQuantization;
  readonly isVariable: boolean;
  readonly isSparse: boolean;
}

export interface FileOperator {
  readonly index: number;
  /** Builtin name, or `CUSTOM "name"`. */
  readonly op: string;
  /** Tensor indices; -1 for an absent optional one. */
  readonly inputs: Int32Array;
  readonly outputs: Int32Array;
  readonly options: FlatTable | undefined;
}

export interface FileModel {
  readonly file: FlatFile;
  readonly tensors: readonly FileTensor[];
  readonly operators: readonly FileOperator[];
  readonly inputs: Int32Array;
  readonly outputs: Int32Array;
  /** Bytes of buffer i; empty when it holds none. A view into the file. */
  buffer(index: number): Uint8Array;
}

/** Tensors of more dimensions exist in no model we run, and a long shape is a sign of garbage. */
const MAX_RANK = 8;

/**
 * Reads the main subgraph.
 * @throws FormatError when the bytes are no TFLite model of schema version 3
 */
export function readModel(bytes: Uint8Array, name: string): FileModel {
  const file: FlatFile = new FlatFile(bytes, name);
  if (bytes.length < 8 || !file.buffer.__has_identifier("TFL3")) file.fail('no TFLite identifier, expected "TFL3" at byte 4');
  const model = file.root("the model");
  const version = model.uint32(0);
  if (version !== 3) file.fail(`schema version ${version}, expected 3`);
  const codes = model.tables(1, "operator code").map(readOperatorCode);
  const subgraph = model.tables(2, "subgraph")[0];
  if (subgraph === undefined) file.fail("the model has no subgraph");
  const buffers = model.tables(4, "buffer");
  const tensors = subgraph.tables(0, "tensor").map((table, index) => readTensor(file, table, index));
  const operators = subgraph.tables(3, "operator").map((table, index) => readOperator(file, table, index, codes));
  const inputs = subgraph.int32s(1, "inputs");
  const outputs = subgraph.int32s(2, "outputs");
  return {
    file,
    tensors,
    operators,
    inputs,
    outputs,
    buffer(index) {
      const buffer = buffers[index];
      if (buffer === undefined) file.fail(`buffer ${index} does not exist, there are ${buffers.length}`);
      return readBuffer(file, buffer, index);
    },
  };
}

/** Data stands in the table, or (files beyond 2 GiB) at an absolute offset; offsets 0 and 1 mean none. */
function readBuffer(file: FlatFile, buffer: FlatTable, index: number): Uint8Array {
  const inline = buffer.bytes(0, "data");
  const offset = buffer.uint64(1);
  if (inline.length > 0 || offset <= 1) return inline;
  const size = buffer.uint64(2);
  file.need(offset, size, `buffer ${index}`);
  return file.bytes.subarray(offset, offset + size);
}

function readOperatorCode(table: FlatTable): string {
  // Codes up to 127 stand in the old one-byte field; files from before the wide field leave that at 0.
  const code = Math.max(table.int8(0), table.int32(3));
  return operatorName(code) === "CUSTOM" ? `CUSTOM "${table.string(1, "custom code")}"` : operatorName(code);
}

function readTensor(file: FlatFile, table: FlatTable, index: number): FileTensor {
  const shape = table.int32s(0, "shape");
  const type = TENSOR_TYPES[table.int8(1)];
  if (type === undefined) file.fail(`tensor ${index} has element type ${table.int8(1)}, expected 0 to ${TENSOR_TYPES.length - 1}`);
  if (shape.length > MAX_RANK) file.fail(`tensor ${index} has ${shape.length} dimensions, expected at most ${MAX_RANK}`);
  const quantization = table.table(4, `the quantization of tensor ${index}`);
  const scales = quantization?.float32s(2, "scales");
  return {
    index,
    name: table.string(3, "name"),
    shape,
    signature: table.int32s(7, "shape signature"),
    type,
    buffer: table.uint32(2),
    isVariable: table.bool(5),
    isSparse: table.table(6, `the sparsity of tensor ${index}`) !== undefined,
    ...(quantization !== undefined &&
      scales !== undefined &&
      scales.length > 0 && {
        quantization: { scales, zeroPoints: quantization.int64s(3, "zero points"), axis: quantization.int32(6) },
      }),
  };
}

function readOperator(file: FlatFile, table: FlatTable, index: number, codes: readonly string[]): FileOperator {
  const opcode = table.uint32(0);
  const op = codes[opcode];
  if (op === undefined) file.fail(`operator ${index} uses operator code ${opcode}, there are ${codes.length}`);
  return {
    index,
    op,
    inputs: table.int32s(1, "inputs"),
    outputs: table.int32s(2, "outputs"),
    options: table.table(4, `the options of operator ${index} (${op})`),
  };
}
