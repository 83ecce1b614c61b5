/** The kernel for any depthwise convolution: one output a thread. */
import type { Candidate } from "../candidates.ts";
import type { DepthwiseProblem } from "../depthwise.ts";
import { lowerGeneralConv } from "../general.ts";

export const GENERAL_DEPTHWISE_F32: Candidate<DepthwiseProblem> = {
  kernel: "f32_conv_general_1x1__wgsl",
  requires: [],
  sparse: false,
  estimate: () => ({ cost: 8, why: "one output a thread" }),
  lower: (c, { general }) => {
    lowerGeneralConv(c, general);
  },
};
