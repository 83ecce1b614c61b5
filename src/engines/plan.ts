/**
 * Memory plan: places every activation of a graph in one arena by lifetime (greedy by size, first gap that fits; Pisarchyk and Lee,
 * "Efficient memory management for deep neural net inference", 2020). Reshape outputs alias their input: no bytes, no copy.
 */
import { bytesPerElement, elementCount } from "../graph/dtype.ts";
import { isConstant, tensorOf } from "../graph/access.ts";
import type { Graph } from "../graph/ir.ts";

export interface ArenaPlan {
  /** Tensor name → byte offset, for graph inputs and everything that nodes write. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Bytes of the arena. */
  readonly peakBytes: number;
  /** The largest set of bytes live at once: no plan can need less. */
  readonly lowerBoundBytes: number;
  /** Reshape outputs → the tensor whose bytes they share. */
  readonly aliasOf: ReadonlyMap<string, string>;
}

interface Block {
  readonly name: string;
  readonly bytes: number;
  readonly first: number;
  last: number;
  offset: number;
}

/**
 * @param alignment every offset and size is a multiple of this many bytes
 * @param padBytes extra bytes behind each tensor, for kernels that read past the end
 */
export function planArena(graph: Graph, alignment: number, padBytes = 0): ArenaPlan {
  const aliasOf = new Map<string, string>();
  const blocks = new Map<string, Block>();
  const rootOf = (name: string): string => aliasOf.get(name) ?? name;
  const define = (name: string, step: number): void => {
    const tensor = tensorOf(graph, name);
    const bytes = elementCount(tensor.shape) * bytesPerElement(tensor.dtype) + padBytes;
    blocks.set(name, { name, bytes: Math.max(alignment, Math.ceil(bytes / alignment) * alignment), first: step, last: step, offset: -1 });
  };
  const touch = (name: string, step: number): void => {
    const block = blocks.get(rootOf(name));
    if (block !== undefined) block.last = Math.max(block.last, step);
  };

  for (const input of graph.inputs) define(input, -1);
  graph.nodes.forEach((node, step) => {
    const source = node.inputs[0];
    if (node.op === "Reshape" && source !== undefined && !isConstant(tensorOf(graph, source))) {
      aliasOf.set(node.outputs[0]!, rootOf(source));
    } else {
      for (const output of node.outputs) if (output !== "") define(output, step);
    }
    for (const input of node.inputs) touch(input, step);
  });
  for (const output of graph.outputs) touch(output, graph.nodes.length);

  const placed: Block[] = [];
  let peakBytes = 0;
  for (const block of [...blocks.values()].sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    const rivals = placed.filter((p) => p.first <= block.last && block.first <= p.last).sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const rival of rivals) {
      if (offset + block.bytes <= rival.offset) break;
      offset = Math.max(offset, rival.offset + rival.bytes);
    }
    block.offset = offset;
    placed.push(block);
    peakBytes = Math.max(peakBytes, offset + block.bytes);
  }

  const offsets = new Map<string, number>();
  for (const block of placed) offsets.set(block.name, block.offset);
  for (const [alias, root] of aliasOf) {
    const offset = offsets.get(root);
    if (offset !== undefined) offsets.set(alias, offset);
  }
  return { offsets, peakBytes, lowerBoundBytes: largestLiveSet([...blocks.values()], graph.nodes.length), aliasOf };
}

function largestLiveSet(blocks: readonly Block[], steps: number): number {
  let largest = 0;
  for (let step = -1; step <= steps; step++) {
    let live = 0;
    for (const block of blocks) if (block.first <= step && step <= block.last) live += block.bytes;
    largest = Math.max(largest, live);
  }
  return largest;
}
