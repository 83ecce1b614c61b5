/** 8-bit depthwise candidates: one word (four channels) a thread. */
import { invariant } from "../../../../errors.ts";
import { packColumns } from "../../pack.ts";
import type { Operand } from "../../step.ts";
import type { Lowering } from "../context.ts";
import { depthwiseTiles, isPlainDepthwise } from "../depthwise.ts";
import type { DepthwiseProblem } from "../depthwise.ts";
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
    c.constant("columns", packColumns(folded, finish.scales, 1, 4)),
  ];
}

export const DEPTHWISE_TILES_I8 = depthwiseTiles({
  name: "i8",
  takes: (problem) => isPlainDepthwise(problem) && problem.finish?.weightZeros === undefined,
  inputs,
});
