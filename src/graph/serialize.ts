/**
 * A graph as one file, for handing it to another process: magic, version, header length (uint32, little endian each), a JSON header,
 * then the constants' bytes, each at a multiple of 8 from the file's start. Everything is length-checked before it is used: the file
 * crosses a process border. Numbers that JSON lacks (infinite clamp bounds) are written as special-numbers.ts says.
 */
import { FormatError } from "../errors.ts";
import { bytesPerElement, DTYPES, elementCount, viewArray } from "./dtype.ts";
import type { DType, TypedArray } from "./dtype.ts";
import type { Graph, Node, Quantization, Sparsity, Tensor, WeightCode } from "./ir.ts";
import { decodeNumber, encodeNumber } from "./special-numbers.ts";

const MAGIC = 0x31_4d_4c_53; // "SLM1"
const VERSION = 1;
const PREFIX_BYTES = 12;
const ALIGNMENT = 8;

interface TensorHeader {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly quant?: { readonly scales: Section; readonly zeroPoints: Section; readonly axis?: number };
  readonly data?: Section;
  readonly sparsity?: Sparsity;
  readonly code?: CodeHeader;
}

type CodeHeader =
  | { readonly kind: "codebook"; readonly table: Section; readonly indices: Section }
  | { readonly kind: "int4"; readonly block: number; readonly scales: Section; readonly codes: Section }
  | { readonly kind: "int8"; readonly axis: number; readonly scales: Section; readonly codes: Section }
  | { readonly kind: "int8Codebook"; readonly values: number; readonly table: Section; readonly indices: Section }
  | { readonly kind: "float16"; readonly bits: Section };

/** Byte offset from the start of the data area, and elements. */
type Section = readonly [offset: number, length: number];

interface Header {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly tensors: readonly TensorHeader[];
  readonly nodes: readonly Node[];
  /** All sections with their padding: a file that was cut anywhere shows it. */
  readonly dataBytes: number;
}

export function serializeGraph(graph: Graph): Uint8Array {
  const parts: { readonly offset: number; readonly data: TypedArray }[] = [];
  let dataBytes = 0;
  const section = (data: TypedArray): Section => {
    const offset = dataBytes;
    parts.push({ offset, data });
    dataBytes += align(data.byteLength);
    return [offset, data.length];
  };
  const tensors = [...graph.tensors.values()].map((tensor) => tensorHeader(tensor, section));
  const header: Header = { name: graph.name, inputs: graph.inputs, outputs: graph.outputs, tensors, nodes: graph.nodes, dataBytes };
  const json = new TextEncoder().encode(JSON.stringify(header, encodeNumber));
  const dataStart = align(PREFIX_BYTES + json.length);
  const bytes = new Uint8Array(dataStart + dataBytes);
  const prefix = new DataView(bytes.buffer);
  prefix.setUint32(0, MAGIC, true);
  prefix.setUint32(4, VERSION, true);
  prefix.setUint32(8, json.length, true);
  bytes.set(json, PREFIX_BYTES);
  for (const { offset, data } of parts) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), dataStart + offset);
  }
  return bytes;
}

function tensorHeader(tensor: Tensor, section: (data: TypedArray) => Section): TensorHeader {
  const { quant, data, sparsity, code } = tensor;
  return {
    name: tensor.name,
    dtype: tensor.dtype,
    shape: tensor.shape,
    ...(quant === undefined
      ? {}
      : {
          quant: {
            scales: section(quant.scales),
            zeroPoints: section(quant.zeroPoints),
            ...(quant.axis === undefined ? {} : { axis: quant.axis }),
          },
        }),
    ...(data === undefined ? {} : { data: section(data) }),
    ...(sparsity === undefined ? {} : { sparsity }),
    ...(code === undefined ? {} : { code: codeHeader(code, section) }),
  };
}

function codeHeader(code: WeightCode, section: (data: TypedArray) => Section): CodeHeader {
  switch (code.kind) {
    case "codebook":
      return { kind: code.kind, table: section(code.table), indices: section(code.indices) };
    case "int8Codebook":
      return { kind: code.kind, values: code.values, table: section(code.table), indices: section(code.indices) };
    case "int4":
      return { kind: code.kind, block: code.block, scales: section(code.scales), codes: section(code.codes) };
    case "int8":
      return { kind: code.kind, axis: code.axis, scales: section(code.scales), codes: section(code.codes) };
    case "float16":
      return { kind: code.kind, bits: section(code.bits) };
  }
}

/**
 * @param where for messages, e.g. the file's path
 * @throws FormatError when the bytes are not a whole graph file
 */
export function deserializeGraph(bytes: Uint8Array, where: string): Graph {
  const bad = (what: string): FormatError =>
    new FormatError(`${where}: ${what}. The file was cut short or is not a slimbench graph; run again`);
  if (bytes.byteLength < PREFIX_BYTES) throw bad(`got ${bytes.byteLength} bytes, expected at least ${PREFIX_BYTES}`);
  const prefix = new DataView(bytes.buffer, bytes.byteOffset, PREFIX_BYTES);
  if (prefix.getUint32(0, true) !== MAGIC) throw bad("does not start with the graph magic");
  if (prefix.getUint32(4, true) !== VERSION) throw bad(`version ${prefix.getUint32(4, true)}, expected ${VERSION}`);
  const jsonBytes = prefix.getUint32(8, true);
  const dataStart = align(PREFIX_BYTES + jsonBytes);
  if (dataStart > bytes.byteLength) throw bad(`header of ${jsonBytes} bytes does not fit in ${bytes.byteLength} bytes`);
  const header = parseHeader(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + jsonBytes), bad);

  if (header.dataBytes !== bytes.byteLength - dataStart) {
    throw bad(`has ${bytes.byteLength - dataStart} data bytes, expected ${header.dataBytes}`);
  }

  // Views need an aligned buffer, and a Buffer's starts anywhere (its `slice` does not copy either), so copy the data area once.
  const data = new Uint8Array(bytes.subarray(dataStart));
  const read = (dtype: DType, [offset, length]: Section, name: string): TypedArray => {
    const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0 && offset % ALIGNMENT === 0;
    if (!whole || offset + length * bytesPerElement(dtype) > data.byteLength) {
      throw bad(`tensor "${name}": ${length} ${dtype} at ${offset} lie outside ${data.byteLength} data bytes`);
    }
    return viewArray(dtype, data.buffer, offset, length);
  };
  const tensors = new Map<string, Tensor>();
  for (const entry of header.tensors) {
    if (!DTYPES.includes(entry.dtype)) throw bad(`tensor "${entry.name}": unknown element type "${entry.dtype}"`);
    if (entry.data !== undefined && entry.data[1] !== elementCount(entry.shape)) {
      throw bad(`tensor "${entry.name}": ${entry.data[1]} elements, expected ${elementCount(entry.shape)}`);
    }
    tensors.set(entry.name, {
      name: entry.name,
      dtype: entry.dtype,
      shape: entry.shape,
      ...(entry.quant === undefined ? {} : { quant: readQuant(entry.quant, entry.name, read) }),
      ...(entry.data === undefined ? {} : { data: read(entry.dtype, entry.data, entry.name) }),
      ...(entry.sparsity === undefined ? {} : { sparsity: entry.sparsity }),
      ...(entry.code === undefined ? {} : { code: readCode(entry.code, entry.name, read) }),
    });
  }
  return { name: header.name, inputs: header.inputs, outputs: header.outputs, tensors, nodes: header.nodes };
}

function readQuant(
  quant: NonNullable<TensorHeader["quant"]>,
  name: string,
  read: (dtype: DType, section: Section, name: string) => TypedArray,
): Quantization {
  return {
    scales: read("float32", quant.scales, name) as Float32Array,
    zeroPoints: read("int32", quant.zeroPoints, name) as Int32Array,
    ...(quant.axis === undefined ? {} : { axis: quant.axis }),
  };
}

function readCode(code: CodeHeader, name: string, read: (dtype: DType, section: Section, name: string) => TypedArray): WeightCode {
  switch (code.kind) {
    case "int8Codebook":
      return {
        kind: code.kind,
        values: code.values,
        table: read("int8", code.table, name) as Int8Array,
        indices: read("uint8", code.indices, name) as Uint8Array,
      };
    case "codebook":
      return {
        kind: code.kind,
        table: read("float32", code.table, name) as Float32Array,
        indices: read("uint8", code.indices, name) as Uint8Array,
      };
    case "int4": {
      const scales = read("float32", code.scales, name) as Float32Array;
      return { kind: code.kind, block: code.block, scales, codes: read("int8", code.codes, name) as Int8Array };
    }
    case "int8": {
      const scales = read("float32", code.scales, name) as Float32Array;
      return { kind: code.kind, axis: code.axis, scales, codes: read("int8", code.codes, name) as Int8Array };
    }
    case "float16":
      return { kind: code.kind, bits: read("uint16", code.bits, name) as Uint16Array };
  }
}

function parseHeader(json: Uint8Array, bad: (what: string) => FormatError): Header {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(json), decodeNumber);
  } catch {
    throw bad("its header is not JSON");
  }
  if (!isHeader(value)) throw bad("its header lacks name, inputs, outputs, tensors, nodes or dataBytes");
  return value;
}

function isHeader(value: unknown): value is Header {
  if (typeof value !== "object" || value === null) return false;
  const { name, inputs, outputs, tensors, nodes, dataBytes } = value as Partial<Record<keyof Header, unknown>>;
  return (
    typeof name === "string" &&
    Number.isSafeInteger(dataBytes) &&
    [inputs, outputs, tensors, nodes].every((list) => Array.isArray(list)) &&
    (tensors as readonly unknown[]).every(isTensorHeader)
  );
}

function isTensorHeader(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { name, shape, data, quant, code } = value as Partial<Record<keyof TensorHeader, unknown>>;
  const isSection = (s: unknown): boolean => Array.isArray(s) && s.length === 2;
  const quantOk = (q: unknown): boolean =>
    typeof q === "object" &&
    q !== null &&
    isSection((q as { scales?: unknown }).scales) &&
    isSection((q as { zeroPoints?: unknown }).zeroPoints);
  return (
    typeof name === "string" &&
    Array.isArray(shape) &&
    shape.every((d) => Number.isSafeInteger(d) && (d as number) >= 0) &&
    (data === undefined || isSection(data)) &&
    (quant === undefined || quantOk(quant)) &&
    (code === undefined || isCodeHeader(code, isSection))
  );
}

function isCodeHeader(code: unknown, isSection: (s: unknown) => boolean): boolean {
  if (typeof code !== "object" || code === null) return false;
  const { kind, table, indices, values, block, axis, scales, codes, bits } = code as Readonly<Record<string, unknown>>;
  if (kind === "codebook") return isSection(table) && isSection(indices);
  if (kind === "int8Codebook") return typeof values === "number" && isSection(table) && isSection(indices);
  if (kind === "int4") return typeof block === "number" && isSection(scales) && isSection(codes);
  if (kind === "int8") return typeof axis === "number" && isSection(scales) && isSection(codes);
  return kind === "float16" && isSection(bits);
}

function align(n: number): number {
  return Math.ceil(n / ALIGNMENT) * ALIGNMENT;
}
