/** All candidates of an 8-bit layer with constant weights, the heuristic's favourite first among equals. */
import { candidateList } from "../../../candidates.ts";
import type { Candidate } from "../candidates.ts";
import type { DepthwiseProblem } from "../depthwise.ts";
import { BLOCK_SPARSE_I8 } from "./block-sparse.ts";
import { CODED_I8 } from "./coded.ts";
import { DENSE_I8, FIXED_DENSE_I8 } from "./dense.ts";
import { DEPTHWISE_TILES_I8, FIXED_DEPTHWISE_I8 } from "./depthwise.ts";
import { FIXED_GENERAL_DEPTHWISE_I8, FIXED_GENERAL_I8, GENERAL_DEPTHWISE_I8, GENERAL_I8 } from "./general.ts";
import type { IntegerProblem } from "./problem.ts";
import { STEM_I8 } from "./stem.ts";
import { TILED_I8 } from "./tiled.ts";

export const INTEGER_CANDIDATES = candidateList<Candidate<IntegerProblem>>([
  ...DENSE_I8,
  ...STEM_I8,
  ...TILED_I8,
  ...CODED_I8,
  ...BLOCK_SPARSE_I8,
  GENERAL_I8,
]);

export const INTEGER_DEPTHWISE_CANDIDATES = candidateList<Candidate<DepthwiseProblem>>([...DEPTHWISE_TILES_I8, GENERAL_DEPTHWISE_I8]);

/** Of layers in fixed point. */
export const FIXED_CANDIDATES = candidateList<Candidate<IntegerProblem>>([...FIXED_DENSE_I8, FIXED_GENERAL_I8]);

export const FIXED_DEPTHWISE_CANDIDATES = candidateList<Candidate<DepthwiseProblem>>([FIXED_DEPTHWISE_I8, FIXED_GENERAL_DEPTHWISE_I8]);
