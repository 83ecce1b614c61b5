/** 8-bit depthwise candidates: one word (four channels) a thread. */
import { invariant } from "../../../../errors.ts";
import { scaleWords } from "../../../../graph/fixed-point.ts";
import { packColumns } from "../../pack.ts";
import type { Operand } from "../../step.ts";
import type { Lowering } from "../context.ts";
import { depthwiseTile, depthwiseTiles, isPlainDepthwise } from "../depthwise.ts";
import type { DepthwiseProblem, DepthwiseType } from "../depthwise.ts";
import { int32Bias, signedWeights } from "../quantized.ts";

function inputs(c: Lowering, { x, w, bias, finish }: DepthwiseProblem): readonly Operand[] {
  invariant(finish !== undefined, "an 8-bit layer without scales");
  const channels = x.shape[3]!;
  const padded = Math.ceil(channels / 4) * 4;
  const taps = w.shape[1]! * w.shape[2]!;
  const signed = signedWeights(c, w);
  const packed = new Int8Array(taps * padded);
  const folded = Int32Array.from(int32Bias(c, bias, channels));
  for (let t = 0; t < taps; t++) {
    for (let i = 0; i < channels; i++) {
      const q = signed[t * channels + i]!;
      packed[t * padded + i] = q;
      folded[i] = (folded[i]! - Math.imul(finish.inZero, q)) | 0;
    }
  }
  return [
    c.operand(x),
    c.constant("weights", new Uint32Array(packed.buffer)),
    c.constant("columns", packColumns(folded, scaleWords(finish), 1, 4)),
  ];
}

const I8: DepthwiseType = {
  name: "i8",
  takes: (problem) => isPlainDepthwise(problem) && problem.finish?.weightZeros === undefined,
  inputs,
};

export const DEPTHWISE_TILES_I8 = depthwiseTiles(I8);

/** Of layers in fixed point. */
export const FIXED_DEPTHWISE_I8 = depthwiseTile(I8, "i8_depthwise_fixed_4x4__wgsl");
