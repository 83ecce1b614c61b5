/** 8-bit depthwise candidates: one word (four channels) × four columns a thread. */
import { invariant } from "../../../../errors.ts";
import { packColumns } from "../../pack.ts";
import type { Candidate } from "../candidates.ts";
import { isPlainDepthwise, windowParams } from "../depthwise.ts";
import type { DepthwiseProblem } from "../depthwise.ts";
import { int32Bias, signedWeights } from "../quantized.ts";

const COLUMNS = 4;

const TILE: Candidate<DepthwiseProblem> = {
  kernel: "i8_depthwise_4x4__wgsl",
  requires: [],
  sparse: false,
  estimate(problem) {
    const symmetric = problem.finish?.weightZeros === undefined;
    return isPlainDepthwise(problem) && symmetric ? { cost: 1, why: "dense weights" } : undefined;
  },
  lower(c, problem) {
    const { x, w, bias, out, finish } = problem;
    invariant(finish !== undefined, "an 8-bit layer without scales");
    const channels = x.shape[3]!;
    const channels4 = Math.ceil(channels / 4);
    const columns = Math.ceil(out.shape[2]! / COLUMNS);
    const taps = w.shape[1]! * w.shape[2]!;
    const signed = signedWeights(c, w);
    const packed = new Int8Array(taps * channels4 * 4);
    const folded = Int32Array.from(int32Bias(c, bias, channels));
    for (let t = 0; t < taps; t++) {
      for (let i = 0; i < channels; i++) {
        const q = signed[t * channels + i]!;
        packed[t * channels4 * 4 + i] = q;
        folded[i] = (folded[i]! - Math.imul(finish.inZero, q)) | 0;
      }
    }
    c.flat({
      kernel: TILE.kernel,
      params: windowParams(problem, columns),
      inputs: [
        c.operand(x),
        c.constant("weights", new Uint32Array(packed.buffer)),
        c.constant("columns", packColumns(folded, finish.scales, 1, 4)),
      ],
      output: out,
      threads: x.shape[0]! * out.shape[1]! * columns * channels4,
    });
  },
};

export const DEPTHWISE_TILES_I8: readonly Candidate<DepthwiseProblem>[] = [TILE];
