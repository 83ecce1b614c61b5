/** The passes that every imported graph goes through, in order, and each of them by name for tests and tools. */
import type { ConstantEvaluator, Graph, Pass } from "../ir.ts";
import { fuseActivations } from "./activations.ts";
import { adoptGrids } from "./adopt-grids.ts";
import { foldAffine } from "./affine.ts";
import { foldBatchNorm } from "./batch-norm.ts";
import { codeWeights } from "./coded-weights.ts";
import { orderConversions } from "./conversion-order.ts";
import { removeDeadCode } from "./dead-code.ts";
import { foldConstants, widenWeights } from "./fold-constants.ts";
import { fuseHardSwish } from "./hard-swish.ts";
import { removeIdentities } from "./identities.ts";
import { foldPads } from "./pads.ts";
import { fuseQdq } from "./qdq.ts";
import { normalizeBytes } from "./signed-bytes.ts";
import { matMulToDense, moveIntoConstants } from "./weight-layout.ts";

export {
  adoptGrids,
  codeWeights,
  foldAffine,
  foldBatchNorm,
  foldConstants,
  foldPads,
  fuseActivations,
  fuseHardSwish,
  fuseQdq,
  matMulToDense,
  moveIntoConstants,
  normalizeBytes,
  orderConversions,
  removeDeadCode,
  removeIdentities,
  widenWeights,
};

/**
 * Simplifies an imported graph. Real values stay the same up to float rounding; names of inputs and outputs, their types and shapes stay.
 * Afterwards no BatchNorm is left, activations are int8 inside, and integer weights are symmetric int8.
 * @throws UnsupportedError for a BatchNorm whose parameters are not constant
 */
export function standardPasses(graph: Graph, evaluate: ConstantEvaluator): Graph {
  const passes: readonly Pass[] = [
    removeIdentities,
    adoptGrids,
    // Pairs of Quantize and Dequantize still carry meaning: they tell which ops are integer.
    (g) => foldConstants(g, evaluate, "all"),
    moveIntoConstants,
    matMulToDense,
    foldBatchNorm,
    fuseHardSwish,
    foldAffine,
    foldPads,
    fuseActivations,
    orderConversions,
    removeIdentities,
    fuseQdq,
    normalizeBytes,
    codeWeights,
    (g) => foldConstants(g, evaluate, "weights"),
    fuseActivations,
    foldPads,
    removeIdentities,
  ];
  // Dead readers would hide that a tensor has one reader left, so they go after every pass.
  return passes.reduce((g, pass) => removeDeadCode(pass(g)), removeDeadCode(graph));
}
