/**
 * The part of ONNX's protobuf schema that we read and write (onnx.proto, IR version 8), as a protobufjs descriptor. Field numbers are
 * the format's; every field left out here is skipped by the reader as unknown.
 */
import protobuf from "protobufjs/light.js";
import { FormatError } from "../../errors.ts";

/** A 64-bit integer as protobufjs hands it over. */
export interface Int64 {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
  toNumber(): number;
}

export type Int64Like = Int64 | number;

export interface TensorProto {
  readonly dims: readonly Int64Like[];
  readonly dataType: number;
  readonly floatData: readonly number[];
  readonly int32Data: readonly number[];
  readonly stringData: readonly Uint8Array[];
  readonly int64Data: readonly Int64Like[];
  readonly name: string;
  readonly rawData?: Uint8Array;
  readonly doubleData: readonly number[];
  readonly uint64Data: readonly Int64Like[];
  readonly externalData: readonly { readonly key: string; readonly value: string }[];
  readonly dataLocation: number;
}

/** Elements that are listed, and where they stand; all others are zero. */
export interface SparseTensorProto {
  /** Its name is the tensor's. */
  readonly values?: TensorProto | null;
  /** int64: [count] positions in the flat tensor, ascending, or [count, rank]. */
  readonly indices?: TensorProto | null;
  readonly dims: readonly Int64Like[];
}

export interface AttributeProto {
  readonly name: string;
  readonly type: number;
  readonly f: number;
  readonly i: Int64Like;
  readonly s: Uint8Array;
  readonly t?: TensorProto | null;
  readonly floats: readonly number[];
  readonly ints: readonly Int64Like[];
  readonly strings: readonly Uint8Array[];
}

export interface NodeProto {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly attribute: readonly AttributeProto[];
}

export interface DimensionProto {
  readonly dimValue?: Int64Like;
  readonly dimParam?: string;
}

export interface ValueInfoProto {
  readonly name: string;
  readonly type?: {
    readonly tensorType?: { readonly elemType: number; readonly shape?: { readonly dim: readonly DimensionProto[] } | null } | null;
  } | null;
}

export interface GraphProto {
  readonly node: readonly NodeProto[];
  readonly name: string;
  readonly initializer: readonly TensorProto[];
  readonly sparseInitializer: readonly SparseTensorProto[];
  readonly input: readonly ValueInfoProto[];
  readonly output: readonly ValueInfoProto[];
}

export interface ModelProto {
  readonly irVersion: Int64Like;
  readonly producerName: string;
  readonly graph?: GraphProto | null;
  readonly opsetImport: readonly { readonly domain: string; readonly version: Int64Like }[];
}

/** AttributeProto.type */
export const ATTRIBUTE = { FLOAT: 1, INT: 2, STRING: 3, TENSOR: 4, GRAPH: 5, FLOATS: 6, INTS: 7, STRINGS: 8 } as const;

interface FieldSpec {
  readonly type: string;
  readonly id: number;
  readonly rule?: "repeated";
  readonly options?: { readonly packed: true };
}

const one = (type: string, id: number): FieldSpec => ({ type, id });
const many = (type: string, id: number): FieldSpec => ({ type, id, rule: "repeated" });
const packed = (type: string, id: number): FieldSpec => ({ type, id, rule: "repeated", options: { packed: true } });

const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: {
      fields: {
        irVersion: one("int64", 1),
        producerName: one("string", 2),
        producerVersion: one("string", 3),
        graph: one("GraphProto", 7),
        opsetImport: many("OperatorSetIdProto", 8),
      },
    },
    OperatorSetIdProto: { fields: { domain: one("string", 1), version: one("int64", 2) } },
    GraphProto: {
      fields: {
        node: many("NodeProto", 1),
        name: one("string", 2),
        initializer: many("TensorProto", 5),
        input: many("ValueInfoProto", 11),
        output: many("ValueInfoProto", 12),
        sparseInitializer: many("SparseTensorProto", 15),
      },
    },
    NodeProto: {
      fields: {
        input: many("string", 1),
        output: many("string", 2),
        name: one("string", 3),
        opType: one("string", 4),
        attribute: many("AttributeProto", 5),
        domain: one("string", 7),
      },
    },
    AttributeProto: {
      fields: {
        name: one("string", 1),
        f: one("float", 2),
        i: one("int64", 3),
        s: one("bytes", 4),
        t: one("TensorProto", 5),
        floats: many("float", 7),
        ints: many("int64", 8),
        strings: many("bytes", 9),
        type: one("int32", 20),
      },
    },
    TensorProto: {
      fields: {
        dims: many("int64", 1),
        dataType: one("int32", 2),
        floatData: packed("float", 4),
        int32Data: packed("int32", 5),
        stringData: many("bytes", 6),
        int64Data: packed("int64", 7),
        name: one("string", 8),
        rawData: one("bytes", 9),
        doubleData: packed("double", 10),
        uint64Data: packed("uint64", 11),
        externalData: many("StringStringEntryProto", 13),
        dataLocation: one("int32", 14),
      },
    },
    SparseTensorProto: { fields: { values: one("TensorProto", 1), indices: one("TensorProto", 2), dims: many("int64", 3) } },
    StringStringEntryProto: { fields: { key: one("string", 1), value: one("string", 2) } },
    ValueInfoProto: { fields: { name: one("string", 1), type: one("TypeProto", 2) } },
    TypeProto: { fields: { tensorType: one("TensorTypeProto", 1) } },
    TensorTypeProto: { fields: { elemType: one("int32", 1), shape: one("TensorShapeProto", 2) } },
    TensorShapeProto: { fields: { dim: many("DimensionProto", 1) } },
    DimensionProto: { fields: { dimValue: one("int64", 1), dimParam: one("string", 2) } },
  },
});

const modelType = root.lookupType("ModelProto");
const tensorType = root.lookupType("TensorProto");

function decode(type: protobuf.Type, bytes: Uint8Array, what: string): unknown {
  try {
    const reader = protobuf.Reader.create(bytes);
    reader.discardUnknown = true;
    return type.decode(reader);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new FormatError(
      `${what}: not a readable ONNX protobuf (${detail}), got ${bytes.length} bytes`,
      "Check that the file is complete",
    );
  }
}

/** @throws FormatError when the bytes are no protobuf of this schema */
export function decodeModel(bytes: Uint8Array, what: string): ModelProto {
  return decode(modelType, bytes, what) as ModelProto;
}

/** A lone TensorProto, as ONNX's operator tests store inputs and outputs. */
export function decodeTensor(bytes: Uint8Array, what: string): TensorProto {
  return decode(tensorType, bytes, what) as TensorProto;
}

/** Messages for writing: plain objects in the shape of the interfaces above, absent fields left out. */
export function encodeModel(model: object): Uint8Array {
  return modelType.encode(modelType.create(model)).finish();
}
