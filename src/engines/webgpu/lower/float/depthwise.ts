/** Float depthwise candidates: four channels a thread, so channels are a multiple of four. */
import { depthwiseTiles, isPlainDepthwise } from "../depthwise.ts";
import { floatValues } from "../quantized.ts";

export const DEPTHWISE_TILES_F32 = depthwiseTiles({
  name: "f32",
  takes: (problem) => isPlainDepthwise(problem) && problem.x.shape[3]! % 4 === 0,
  inputs: (c, { x, w, bias }) => [
    c.operand(x),
    c.constant("weights", floatValues(c, w)),
    c.constant("bias", bias === undefined ? new Float32Array(x.shape[3]!) : floatValues(c, bias)),
  ],
});
