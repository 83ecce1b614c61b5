/** Depthwise candidates: four channels × four columns a thread. */
import type { Candidate } from "../candidates.ts";
import { isPlainDepthwise, windowParams } from "../depthwise.ts";
import type { DepthwiseProblem } from "../depthwise.ts";
import { floatValues } from "../quantized.ts";

const COLUMNS = 4;

const TILE: Candidate<DepthwiseProblem> = {
  kernel: "f32_depthwise_4x4__wgsl",
  requires: [],
  sparse: false,
  estimate(problem) {
    return isPlainDepthwise(problem) && problem.x.shape[3]! % 4 === 0 ? { cost: 1, why: "dense weights" } : undefined;
  },
  lower(c, problem) {
    const { x, w, bias, out } = problem;
    const channels = x.shape[3]!;
    const columns = Math.ceil(out.shape[2]! / COLUMNS);
    c.flat({
      kernel: TILE.kernel,
      params: windowParams(problem, columns),
      inputs: [
        c.operand(x),
        c.constant("weights", floatValues(c, w)),
        c.constant("bias", bias === undefined ? new Float32Array(channels) : floatValues(c, bias)),
      ],
      output: out,
      threads: x.shape[0]! * out.shape[1]! * columns * (channels / 4),
    });
  },
};

export const DEPTHWISE_TILES_F32: readonly Candidate<DepthwiseProblem>[] = [TILE];
