/** Graph → `.slim` archive (docs/slim-format.md), and what each section of it takes. */
import type { TypedArray } from "../../graph/dtype.ts";
import type { Graph, Tensor, WeightCode } from "../../graph/ir.ts";
import { encodeSection } from "./coding/section.ts";
import type { SectionCost } from "./coding/section.ts";
import { crc32 } from "./crc32.ts";
import { packManifest } from "./manifest.ts";
import type { CodeEntry, Manifest, Section, SlimOrigin, TensorEntry } from "./manifest.ts";
import { PREFIX_BYTES, writePrefix } from "./prefix.ts";

/** A constant as it lies in the archive. */
export interface StoredTensor {
  /** Of its elements: values, indices or codes. */
  readonly elements: SectionCost;
  readonly count: number;
  /** With its table or scales. */
  readonly bytes: number;
}

export interface SlimArchive {
  readonly bytes: Uint8Array;
  readonly manifestBytes: number;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/**
 * @param graph valid: where a constant has a code, its data are what the code stands for, and only the code is written
 */
export function exportSlim(graph: Graph, origin: SlimOrigin = {}): Uint8Array {
  return buildSlim(graph, origin).bytes;
}

export function buildSlim(graph: Graph, origin: SlimOrigin = {}): SlimArchive {
  const sections = new Sections();
  const quant = poolGrids(graph, sections);
  const tensors = new Map<string, StoredTensor>();
  const entries = [...graph.tensors.values()].map((tensor) => entryOf(tensor, sections, tensors));
  const { name, inputs, outputs, nodes } = graph;
  const manifest: Manifest = { origin, graph: { name, inputs, outputs, nodes }, ...(quant && { quant }), tensors: entries };
  const packed = packManifest(manifest);
  const bytes = new Uint8Array(PREFIX_BYTES + packed.length + sections.bytes);
  writePrefix(bytes, packed);
  bytes.set(packed, PREFIX_BYTES);
  sections.copyTo(bytes, PREFIX_BYTES + packed.length);
  return { bytes, manifestBytes: PREFIX_BYTES + packed.length, tensors };
}

class Sections {
  readonly #parts: Uint8Array[] = [];
  bytes = 0;

  add(data: TypedArray): { readonly section: Section; readonly cost: SectionCost } {
    const width = data.BYTES_PER_ELEMENT;
    const { data: part, ...cost } = encodeSection(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), width);
    this.#parts.push(part);
    this.bytes += part.length;
    return { section: { ...cost.layout, count: data.length, bytes: part.length, crc32: crc32(part) }, cost };
  }

  copyTo(bytes: Uint8Array, start: number): void {
    let at = start;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
  }
}

/** Grids of activations hold a number or two each: one section for all of them. */
function poolGrids(graph: Graph, sections: Sections): Manifest["quant"] {
  const grids = [...graph.tensors.values()].flatMap(({ quant }) => (quant === undefined ? [] : [quant]));
  if (grids.length === 0) return undefined;
  const scales = Float32Array.from(grids.flatMap((grid) => [...grid.scales]));
  const zeroPoints = Int32Array.from(grids.flatMap((grid) => [...grid.zeroPoints]));
  return { scales: sections.add(scales).section, zeroPoints: sections.add(zeroPoints).section };
}

function entryOf(tensor: Tensor, sections: Sections, stored: Map<string, StoredTensor>): TensorEntry {
  const { name, dtype, shape, quant, data, sparsity, code } = tensor;
  const base: TensorEntry = {
    name,
    dtype,
    shape,
    ...(quant && { quant: quant.axis === undefined ? {} : { axis: quant.axis } }),
    ...(sparsity && { sparsity }),
  };
  if (code !== undefined) {
    const before = sections.bytes;
    const { entry, cost } = codeEntry(code, sections);
    stored.set(name, { elements: cost, count: data?.length ?? 0, bytes: sections.bytes - before });
    return { ...base, code: entry };
  }
  if (data === undefined) return base;
  const { section, cost } = sections.add(data);
  stored.set(name, { elements: cost, count: data.length, bytes: section.bytes });
  return { ...base, data: section };
}

function codeEntry(code: WeightCode, sections: Sections): { readonly entry: CodeEntry; readonly cost: SectionCost } {
  switch (code.kind) {
    case "codebook": {
      const table = sections.add(code.table).section;
      const { section, cost } = sections.add(code.indices);
      return { entry: { kind: code.kind, table, indices: section }, cost };
    }
    case "int8Codebook": {
      const table = sections.add(code.table).section;
      const { section, cost } = sections.add(code.indices);
      return { entry: { kind: code.kind, values: code.values, table, indices: section }, cost };
    }
    case "int4": {
      const scales = sections.add(code.scales).section;
      const { section, cost } = sections.add(code.codes);
      return { entry: { kind: code.kind, block: code.block, scales, codes: section }, cost };
    }
    case "int8": {
      const scales = sections.add(code.scales).section;
      const { section, cost } = sections.add(code.codes);
      return { entry: { kind: code.kind, axis: code.axis, scales, codes: section }, cost };
    }
    case "float16": {
      const { section, cost } = sections.add(code.bits);
      return { entry: { kind: code.kind, bits: section }, cost };
    }
  }
}
