/**
 * SmoothQuant (Xiao et al., 2023): channels that take large values make a tensor's grid coarse for all; factors move that difficulty into the weights of
 * the layers that read it, which have a scale for each output: factor = max|X|^alpha / max|W|^(1 - alpha) for each channel, X divided and W multiplied
 * by it. Only where what writes the tensor can absorb the division. Factors are rounded to powers of two, so that the float net computes the same bits.
 */
import type { Graph, Node } from "../../graph/ir.ts";
import type { CompressContext } from "../steps.ts";
import { observeSamples } from "./calibrate.ts";
import { magnitudes, moveFactors, powerOfTwo, seamsOf } from "./seams.ts";

/**
 * @param integer nodes that may change
 * @param alpha 0..1: how much of the difficulty moves
 * @param step text of the recipe step, for messages
 * @throws UsageError without samples
 */
export async function smoothActivations(
  graph: Graph,
  integer: ReadonlySet<Node>,
  alpha: number,
  context: CompressContext,
  step: string,
): Promise<{ readonly graph: Graph; readonly seams: number }> {
  // A depthwise layer has a scale for each channel: its weights' magnitudes say nothing about what they can take.
  const fits = (node: Node): boolean => integer.has(node) && node.op !== "DepthwiseConv2D";
  const seams = seamsOf(graph).filter(({ tensor, nodes }) =>
    nodes.every((node) => (node.inputs[0] === tensor ? fits(node) : integer.has(node))),
  );
  const largest = new Map(seams.map(({ tensor, channels }) => [tensor, new Float64Array(channels)]));
  await observeSamples(graph, context, step, (name, data) => {
    const channels = largest.get(name);
    if (channels === undefined) return;
    for (let i = 0, c = 0; i < data.length; i++) {
      const x = Math.abs(data[i]!);
      if (x > channels[c]!) channels[c] = x;
      if (++c === channels.length) c = 0;
    }
  });
  // In execution order; a seam changes no activations but those on its own way.
  let smoothed = graph;
  for (const seam of seams) {
    const weights = magnitudes(smoothed, seam.after, seam.channels);
    const factors = largest.get(seam.tensor)!.map((x, c) => powerOfTwo(x ** alpha / weights[c]! ** (1 - alpha)));
    smoothed = moveFactors(smoothed, seam, factors);
  }
  return { graph: smoothed, seams: seams.length };
}
