/** The kernel for any 8-bit convolution, weight zero points included: four outputs a thread. */
import type { Candidate } from "../candidates.ts";
import type { DepthwiseProblem } from "../depthwise.ts";
import { lowerGeneralConv } from "../general.ts";
import type { GeneralConv } from "../general.ts";
import type { IntegerProblem } from "./problem.ts";

function general<P extends { readonly general: GeneralConv }>(kernel: string): Candidate<P> {
  return {
    kernel,
    requires: [],
    sparse: false,
    estimate: () => ({ cost: 8, why: "four outputs a thread" }),
    lower: (c, problem) => {
      lowerGeneralConv(c, problem.general);
    },
  };
}

export const GENERAL_I8: Candidate<IntegerProblem> = general("i8_conv_general_1x4__wgsl");
export const GENERAL_DEPTHWISE_I8: Candidate<DepthwiseProblem> = general("i8_conv_general_1x4__wgsl");

/** Of layers in fixed point. */
export const FIXED_GENERAL_I8: Candidate<IntegerProblem> = general("i8_conv_general_fixed_1x4__wgsl");
export const FIXED_GENERAL_DEPTHWISE_I8: Candidate<DepthwiseProblem> = general("i8_conv_general_fixed_1x4__wgsl");
