/**
 * Cross-layer equalization: moves factors between consecutive layers so that each channel's weights are about as large in the one as in the other, which
 * gives every channel more of the grid that it shares with others. After Nagel et al., Data-Free Quantization Through Weight Equalization and
 * Bias Correction (2019), section 4.1; with factors rounded to powers of two, so that the float net computes the same bits.
 */
import type { Graph, Node } from "../../graph/ir.ts";
import { magnitudes, moveFactors, powerOfTwo, seamsOf } from "./seams.ts";

/** Rounds over all seams; in a chain, a layer's factors move its neighbours'. */
const MOST_ROUNDS = 20;

/**
 * @param integer nodes that may change
 * @returns the graph, and how many seams it was changed at
 */
export function equalizeLayers(graph: Graph, integer: ReadonlySet<Node>): { readonly graph: Graph; readonly seams: number } {
  const seams = seamsOf(graph).filter(({ fromLayer, nodes }) => fromLayer && nodes.every((node) => integer.has(node)));
  let equalized = graph;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    let moved = false;
    for (const seam of seams) {
      const before = magnitudes(equalized, seam.before.slice(0, 1), seam.channels);
      const after = magnitudes(equalized, seam.after, seam.channels);
      const factors = before.map((magnitude, c) => powerOfTwo(Math.sqrt(magnitude / after[c]!)));
      if (factors.every((factor) => factor === 1)) continue;
      equalized = moveFactors(equalized, seam, factors);
      moved = true;
    }
    if (!moved) break;
  }
  return { graph: equalized, seams: seams.length };
}
