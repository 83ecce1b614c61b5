/** How an archive codes a model, layer by layer, as the tables of the Deep Compression paper: share kept, bits of weights and of indices. */
import type { SlimArchive, StoredTensor } from "../formats/slim/export.ts";
import type { Graph } from "../graph/ir.ts";
import { ABSENT, bytesText, grouped } from "../report/format.ts";
import { drawTable } from "./plain-table.ts";
import type { Head } from "./plain-table.ts";

export interface CodedLayer {
  readonly layer: string;
  readonly tensor: string;
  readonly encoding: string;
  readonly count: number;
  /** Elements whose value is written; fillers count. */
  readonly entries: number;
  /** Bits of an entry's value, before Huffman coding and after. */
  readonly valueBits: { readonly plain: number; readonly coded: number };
  readonly indexBits?: { readonly plain: number; readonly coded: number };
  /** Tables and scales included. */
  readonly bytes: number;
}

export interface Coding {
  readonly bytes: number;
  readonly manifestBytes: number;
  /** Weights of layers, in the order of the nodes. */
  readonly layers: readonly CodedLayer[];
  /** Biases and all other constants together, and the grids of activations. */
  readonly otherBytes: number;
}

export function codingOf(graph: Graph, archive: SlimArchive): Coding {
  const layers: CodedLayer[] = [];
  const seen = new Set<string>();
  for (const node of graph.nodes) {
    const tensor = node.inputs[1];
    const stored = tensor === undefined ? undefined : archive.tensors.get(tensor);
    const isWeighted = node.op === "Conv2D" || node.op === "DepthwiseConv2D" || node.op === "Dense" || node.op === "ConvTranspose2D";
    if (!isWeighted || tensor === undefined || stored === undefined || seen.has(tensor)) continue;
    seen.add(tensor);
    layers.push(codedLayer(node.name, tensor, stored));
  }
  const inLayers = layers.reduce((sum, { bytes }) => sum + bytes, 0);
  const { manifestBytes, bytes } = archive;
  return { bytes: bytes.length, manifestBytes, layers, otherBytes: bytes.length - manifestBytes - inLayers };
}

function codedLayer(layer: string, tensor: string, { elements, count, bytes }: StoredTensor): CodedLayer {
  const { layout, entries, valueBits, indexBits } = elements;
  return { layer, tensor, encoding: layout.encoding, count, entries, valueBits, ...(indexBits && { indexBits }), bytes };
}

export function codingTable({ layers, bytes, manifestBytes, otherBytes }: Coding, colour: boolean): string {
  const heads: readonly Head[] = [
    ["layer", "left"],
    ["encoding", "left"],
    ["weights", "right"],
    ["stored", "right"],
    ["weight bits", "right"],
    ["index bits", "right"],
    ["bytes", "right"],
    ["of float32", "right"],
  ];
  const rows = layers.map((layer) => [
    layer.layer,
    layer.encoding,
    grouped(layer.count),
    layer.count === 0 ? ABSENT : shareText(layer.entries / layer.count),
    bitsText(layer.valueBits),
    layer.indexBits === undefined ? ABSENT : bitsText(layer.indexBits),
    bytesText(layer.bytes),
    layer.count === 0 ? ABSENT : shareText(layer.bytes / (4 * layer.count)),
  ]);
  const rest = (label: string, size: number): string[] => [label, "", "", "", "", "", bytesText(size), ""];
  rows.push(rest("biases, grids, others", otherBytes), rest("manifest", manifestBytes), rest("total", bytes));
  return drawTable(heads, rows, colour);
}

function bitsText({ plain, coded }: CodedLayer["valueBits"]): string {
  return plain === coded ? String(plain) : `${plain} → ${coded.toFixed(1)}`;
}

function shareText(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
