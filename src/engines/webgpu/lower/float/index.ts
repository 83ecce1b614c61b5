/** All candidates of a float layer with constant weights, the heuristic's favourite first among equals. */
import { candidateList } from "../../../candidates.ts";
import type { Candidate } from "../candidates.ts";
import type { DepthwiseProblem } from "../depthwise.ts";
import { BLOCK_SPARSE_F32 } from "./block-sparse.ts";
import { CODED_F32 } from "./coded.ts";
import { DEPTHWISE_TILES_F32 } from "./depthwise.ts";
import { DIRECT_F32 } from "./direct.ts";
import { GENERAL_DEPTHWISE_F32 } from "./general.ts";
import type { FloatProblem } from "./problem.ts";
import { QUAD_F32 } from "./quad.ts";
import { SHARE_F32 } from "./share.ts";
import { SLICED_F32 } from "./sliced.ts";
import { SPLIT_F32 } from "./split.ts";
import { STEM_F32 } from "./stem.ts";
import { TILED_F32 } from "./tiled.ts";
import { UNSTRUCTURED_F32 } from "./unstructured.ts";

export const FLOAT_CANDIDATES = candidateList<Candidate<FloatProblem>>([
  ...DIRECT_F32,
  ...STEM_F32,
  ...QUAD_F32,
  ...SHARE_F32,
  ...TILED_F32,
  ...SPLIT_F32,
  ...SLICED_F32,
  ...CODED_F32,
  ...BLOCK_SPARSE_F32,
  ...UNSTRUCTURED_F32,
]);

export const FLOAT_DEPTHWISE_CANDIDATES = candidateList<Candidate<DepthwiseProblem>>([...DEPTHWISE_TILES_F32, GENERAL_DEPTHWISE_F32]);
