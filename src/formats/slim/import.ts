/**
 * `.slim` archive → Graph, as its bytes arrive. What comes out is what went in: no pass runs. Every number of the file is checked before it is
 * used; sections are decoded while they come in, and their checksums stand before the graph does.
 */
import { FormatError, SlimbenchError, UsageError, formatShape } from "../../errors.ts";
import { decode } from "../../graph/code.ts";
import { bytesPerElement, elementCount, viewArray } from "../../graph/dtype.ts";
import type { DType, TypedArray } from "../../graph/dtype.ts";
import type { Graph, Shape, Tensor, WeightCode } from "../../graph/ir.ts";
import { validateGraph } from "../../graph/validate.ts";
import { SectionDecoder, checkSection } from "./coding/decode.ts";
import { crc32 } from "./crc32.ts";
import { MOST_MANIFEST_BYTES, gridLength, unpackManifest } from "./manifest.ts";
import type { CodeEntry, Manifest, Section, SlimOrigin, TensorEntry } from "./manifest.ts";
import { PREFIX_BYTES, readPrefix } from "./prefix.ts";

/** All elements and what codes decode to; as the largest model file that is read. */
const MOST_BYTES = 2 ** 31;

const REMEDY = "Get the file again, or write it again with bench compress";

export interface SlimModel {
  readonly graph: Graph;
  readonly origin: SlimOrigin;
}

interface SectionSlot {
  readonly section: Section;
  readonly dtype: DType;
  readonly where: string;
}

/**
 * Reads an archive from pieces: `push` them in order, then `finish`.
 *
 * @example for await (const chunk of response.body) reader.push(chunk); const { graph } = reader.finish();
 */
export class SlimReader {
  readonly #name: string;
  readonly #totalBytes: number | undefined;
  #taken = 0;
  /** Prefix and manifest, until they are whole. */
  #head = new Uint8Array(PREFIX_BYTES);
  #headBytes = 0;
  #hasPrefix = false;
  #manifest: Manifest | undefined;
  #slots: readonly SectionSlot[] = [];
  readonly #arrays = new Map<Section, TypedArray>();
  #slot = 0;
  #decoder: SectionDecoder | undefined;
  #left = 0;
  #sum = 0;

  /**
   * @param name of the file, for messages
   * @param totalBytes its length where it is known: then nothing is decoded that cannot be whole
   */
  constructor(name: string, totalBytes?: number) {
    this.#name = name;
    this.#totalBytes = totalBytes;
  }

  /** Once the beginning has arrived. */
  get origin(): SlimOrigin | undefined {
    return this.#manifest?.origin;
  }

  /** @throws FormatError as soon as the bytes show it */
  push(chunk: Uint8Array): void {
    this.#taken += chunk.length;
    let rest = chunk;
    while (this.#manifest === undefined && rest.length > 0) rest = this.#takeHead(rest);
    while (rest.length > 0) rest = this.#takeSection(rest);
  }

  /** @throws FormatError where the file ends too early or its parts contradict each other */
  finish(): SlimModel {
    const manifest = this.#manifest;
    if (manifest === undefined || this.#slot < this.#slots.length) throw this.#bad(`ends after ${this.#taken} bytes, too early`);
    const graph = buildGraph(manifest, (section) => this.#arrays.get(section)!);
    try {
      validateGraph(graph);
    } catch (error) {
      // The graph is the file's word: whatever is wrong with it is wrong with the file.
      const what = error instanceof SlimbenchError ? error.message : "contradicts itself";
      throw new FormatError(`${this.#name}: the archive's graph: ${what}`, REMEDY, error);
    }
    return { graph, origin: manifest.origin };
  }

  #bad(what: string): FormatError {
    return new FormatError(`${this.#name}: the archive ${what}`, REMEDY);
  }

  #takeHead(chunk: Uint8Array): Uint8Array {
    const piece = chunk.subarray(0, this.#head.length - this.#headBytes);
    this.#head.set(piece, this.#headBytes);
    this.#headBytes += piece.length;
    if (this.#headBytes === this.#head.length) this.#finishHead();
    return chunk.subarray(piece.length);
  }

  #finishHead(): void {
    const { manifestBytes, manifestCrc32 } = readPrefix(this.#head, this.#name);
    if (!this.#hasPrefix) {
      this.#hasPrefix = true;
      const end = PREFIX_BYTES + manifestBytes;
      if (end > (this.#totalBytes ?? PREFIX_BYTES + MOST_MANIFEST_BYTES))
        throw this.#bad(`says that its manifest ends at ${end}, behind its own end`);
      const head = new Uint8Array(end);
      head.set(this.#head);
      this.#head = head;
      if (manifestBytes > 0) return;
    }
    const packed = this.#head.subarray(PREFIX_BYTES);
    if (crc32(packed) !== manifestCrc32) throw this.#bad("has a manifest whose checksum is wrong: it is damaged");
    const manifest = unpackManifest(packed, this.#name);
    this.#slots = slotsOf(manifest, this.#name);
    this.#checkSizes(manifest);
    this.#manifest = manifest;
    this.#openSlots();
  }

  #checkSizes(manifest: Manifest): void {
    let encoded = this.#head.length;
    // What codes stand for is kept beside them, as float32.
    let decoded = manifest.tensors.reduce((sum, { code, shape }) => sum + (code === undefined ? 0 : 4 * elementCount(shape)), 0);
    for (const { section, dtype, where } of this.#slots) {
      const width = bytesPerElement(dtype);
      checkSection(section, { count: section.count, width, bytes: section.bytes }, where);
      encoded += section.bytes;
      decoded += section.count * width;
    }
    if (decoded > MOST_BYTES) throw this.#bad(`says that it holds ${decoded} bytes, at most ${MOST_BYTES} are read`);
    const total = this.#totalBytes;
    if (total !== undefined && encoded !== total) throw this.#bad(`has ${total} bytes, but its sections end at ${encoded}`);
  }

  /** Begins the next section that has bytes; those without are done at once. */
  #openSlots(): void {
    for (; this.#slot < this.#slots.length; this.#slot++) {
      const { section, dtype, where } = this.#slots[this.#slot]!;
      this.#decoder = new SectionDecoder(section, { count: section.count, width: bytesPerElement(dtype), bytes: section.bytes }, where);
      this.#left = section.bytes;
      this.#sum = 0;
      if (section.bytes > 0) return;
      this.#closeSlot();
    }
  }

  #closeSlot(): void {
    const { section, dtype, where } = this.#slots[this.#slot]!;
    if (this.#sum !== section.crc32) throw new FormatError(`${where}: its checksum is wrong, it is damaged`, REMEDY);
    const elements = this.#decoder!.finish();
    this.#arrays.set(section, viewArray(dtype, elements.buffer, 0, section.count));
  }

  #takeSection(chunk: Uint8Array): Uint8Array {
    if (this.#slot === this.#slots.length) throw this.#bad(`goes on behind its last section, after ${this.#taken - chunk.length} bytes`);
    const piece = chunk.subarray(0, this.#left);
    this.#sum = crc32(piece, this.#sum);
    this.#left -= piece.length;
    this.#decoder!.push(piece);
    if (this.#left === 0) {
      this.#closeSlot();
      this.#slot++;
      this.#openSlots();
    }
    return chunk.subarray(piece.length);
  }
}

/** Reads a whole archive. @throws FormatError */
export function readSlim(bytes: Uint8Array, name: string): SlimModel {
  const reader = new SlimReader(name, bytes.length);
  reader.push(bytes);
  return reader.finish();
}

/**
 * @throws FormatError; UsageError for shapes that differ from those the archive was written with
 */
export function importSlim(bytes: Uint8Array, options: { readonly name: string; readonly shapes?: ReadonlyMap<string, Shape> }): Graph {
  const { graph } = readSlim(bytes, options.name);
  for (const [input, shape] of options.shapes ?? []) {
    const own = graph.inputs.includes(input) ? graph.tensors.get(input)?.shape : undefined;
    if (own !== undefined && formatShape(own) === formatShape(shape)) continue;
    throw new UsageError(
      `${options.name}: --shape ${input}=${shape.join()}, expected ${own === undefined ? "the name of an input" : formatShape(own)}`,
      "An archive's shapes are fixed: compress the original again with this --shape",
    );
  }
  return graph;
}

/** All sections in the order of the file. */
function slotsOf(manifest: Manifest, name: string): readonly SectionSlot[] {
  const slots: SectionSlot[] = [];
  const add = (section: Section, dtype: DType, what: string): void => {
    slots.push({ section, dtype, where: `${name}: ${what}` });
  };
  if (manifest.quant !== undefined) {
    add(manifest.quant.scales, "float32", "scales of grids");
    add(manifest.quant.zeroPoints, "int32", "zero points of grids");
  }
  for (const { name: tensor, dtype, data, code } of manifest.tensors) {
    if (data !== undefined) add(data, dtype, `tensor "${tensor}"`);
    for (const [section, type] of code === undefined ? [] : codeSections(code)) add(section, type, `code of tensor "${tensor}"`);
  }
  return slots;
}

function codeSections(code: CodeEntry): readonly (readonly [Section, DType])[] {
  switch (code.kind) {
    case "int8Codebook":
      return [
        [code.table, "int8"],
        [code.indices, "uint8"],
      ];
    case "codebook":
      return [
        [code.table, "float32"],
        [code.indices, "uint8"],
      ];
    case "int4":
    case "int8":
      return [
        [code.scales, "float32"],
        [code.codes, "int8"],
      ];
    case "float16":
      return [[code.bits, "uint16"]];
  }
}

function buildGraph(manifest: Manifest, arrayOf: (section: Section) => TypedArray): Graph {
  const { name, inputs, outputs, nodes } = manifest.graph;
  const scales = manifest.quant && (arrayOf(manifest.quant.scales) as Float32Array);
  const zeroPoints = manifest.quant && (arrayOf(manifest.quant.zeroPoints) as Int32Array);
  let grid = 0;
  const tensors = new Map<string, Tensor>();
  for (const entry of manifest.tensors) {
    const end = grid + gridLength(entry);
    const quant = entry.quant && { scales: scales!.slice(grid, end), zeroPoints: zeroPoints!.slice(grid, end), ...entry.quant };
    grid = end;
    const { name: tensor, dtype, shape, sparsity } = entry;
    tensors.set(tensor, {
      name: tensor,
      dtype,
      shape,
      ...(quant && { quant }),
      ...constantOf(entry, arrayOf),
      ...(sparsity && { sparsity }),
    });
  }
  return { name, inputs, outputs, tensors, nodes };
}

function constantOf(entry: TensorEntry, arrayOf: (section: Section) => TypedArray): Pick<Tensor, "data" | "code"> {
  if (entry.data !== undefined) return { data: arrayOf(entry.data) };
  if (entry.code === undefined) return {};
  const code = codeOf(entry.code, arrayOf);
  return { data: decode(code, entry.shape), code };
}

function codeOf(code: CodeEntry, arrayOf: (section: Section) => TypedArray): WeightCode {
  switch (code.kind) {
    case "int8Codebook": {
      const [table, indices] = [arrayOf(code.table) as Int8Array, arrayOf(code.indices) as Uint8Array];
      return { kind: code.kind, values: code.values, table, indices };
    }
    case "codebook":
      return { kind: code.kind, table: arrayOf(code.table) as Float32Array, indices: arrayOf(code.indices) as Uint8Array };
    case "int4":
      return { kind: code.kind, block: code.block, scales: arrayOf(code.scales) as Float32Array, codes: arrayOf(code.codes) as Int8Array };
    case "int8":
      return { kind: code.kind, axis: code.axis, scales: arrayOf(code.scales) as Float32Array, codes: arrayOf(code.codes) as Int8Array };
    case "float16":
      return { kind: code.kind, bits: arrayOf(code.bits) as Uint16Array };
  }
}
