/**
 * Memory plan: places every activation of a graph in one arena by lifetime (greedy by size, first gap that fits; Pisarchyk and Lee,
 * "Efficient memory management for deep neural net inference", 2020). Where that needs more than the largest live set, tensors that stuck
 * out are placed earlier, again and again (as in "squeaky wheel" optimization, Joslin and Clements 1999). Reshape outputs alias their
 * input: no bytes, no copy.
 */
import { bytesPerElement, elementCount } from "../graph/dtype.ts";
import { isConstant, tensorOf } from "../graph/access.ts";
import type { Graph } from "../graph/ir.ts";
import { NO_RESIDUALS, byLayer } from "./residual.ts";
import type { Residuals } from "./residual.ts";

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
}

/** Orders tried beyond the first; a few do. */
const RETRIES = 32;

/**
 * @param alignment every offset and size is a multiple of this many bytes
 * @param padBytes extra bytes behind each tensor, for kernels that read past the end
 * @param residuals additions that the layer before them does: what they give is there from that layer on, and its own output never
 */
export function planArena(graph: Graph, alignment: number, padBytes = 0, residuals: Residuals = NO_RESIDUALS): ArenaPlan {
  const aliasOf = new Map<string, string>();
  const blocks = new Map<string, Block>();
  const rootOf = (name: string): string => aliasOf.get(name) ?? name;
  const define = (name: string, step: number): void => {
    const tensor = tensorOf(graph, name);
    const bytes = elementCount(tensor.shape) * bytesPerElement(tensor.dtype) + padBytes;
    blocks.set(name, { name, bytes: Math.max(alignment, Math.ceil(bytes / alignment) * alignment), first: step, last: step });
  };
  const touch = (name: string, step: number): void => {
    const block = blocks.get(rootOf(name));
    if (block !== undefined) block.last = Math.max(block.last, step);
  };

  const residualOf = byLayer(residuals);
  for (const input of graph.inputs) define(input, -1);
  graph.nodes.forEach((node, step) => {
    if (residuals.has(node.name)) return;
    const residual = residualOf.get(node.name);
    const source = node.inputs[0];
    if (node.op === "Reshape" && source !== undefined && !isConstant(tensorOf(graph, source))) {
      aliasOf.set(node.outputs[0]!, rootOf(source));
    } else {
      for (const output of residual === undefined ? node.outputs : [residual.out.name]) if (output !== "") define(output, step);
    }
    for (const input of node.inputs) touch(input, step);
    if (residual !== undefined) touch(residual.other.name, step);
  });
  for (const output of graph.outputs) touch(output, graph.nodes.length);

  const lowerBoundBytes = largestLiveSet([...blocks.values()], graph.nodes.length);
  let order: readonly Block[] = [...blocks.values()].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
  let best = place(order);
  let last = best;
  for (let i = 0; i < RETRIES && best.peakBytes > lowerBoundBytes; i++) {
    const { offsets } = last;
    const worst = order.find(({ name, bytes }) => offsets.get(name)! + bytes > lowerBoundBytes)!;
    order = [worst, ...order.filter((block) => block !== worst)];
    last = place(order);
    if (last.peakBytes < best.peakBytes) best = last;
  }

  const { peakBytes } = best;
  const offsets = new Map(best.offsets);
  for (const [alias, root] of aliasOf) {
    const offset = offsets.get(root);
    if (offset !== undefined) offsets.set(alias, offset);
  }
  return { offsets, peakBytes, lowerBoundBytes, aliasOf };
}

/** Each block in the first gap that fits among those that live at the same time. */
function place(order: readonly Block[]): { readonly offsets: ReadonlyMap<string, number>; readonly peakBytes: number } {
  const offsets = new Map<string, number>();
  const placed: { readonly block: Block; readonly from: number; readonly to: number }[] = [];
  let peakBytes = 0;
  for (const block of order) {
    const rivals = placed.filter((p) => p.block.first <= block.last && block.first <= p.block.last).sort((a, b) => a.from - b.from);
    let from = 0;
    for (const rival of rivals) {
      if (from + block.bytes <= rival.from) break;
      from = Math.max(from, rival.to);
    }
    const to = from + block.bytes;
    offsets.set(block.name, from);
    placed.push({ block, from, to });
    peakBytes = Math.max(peakBytes, to);
  }
  return { offsets, peakBytes };
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
