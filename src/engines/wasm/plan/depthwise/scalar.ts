/** Candidates of a depthwise convolution without vector instructions, over a bordered copy of the image where there is a border. */
import { elementCount } from "../../../../graph/dtype.ts";
import { scaleWords } from "../../../../graph/fixed-point.ts";
import { packScalarDepthwiseF32, packScalarDepthwiseI8 } from "../../pack-scalar.ts";
import { windowRecord } from "../../records.ts";
import type { Candidate } from "../candidates.ts";
import { borderedCopy, inputCopy } from "../copy.ts";
import { activationArgs } from "../float/problem.ts";
import { fixedWhy, scalarPostOf } from "../integer/scalar.ts";
import { SCALAR_RATE } from "../split.ts";
import type { WindowImage } from "../split.ts";
import { FLIP, unsignedZeroPoint } from "../unsigned-input.ts";
import { isPadded } from "../windows.ts";
import { paddedShape, planCall } from "./problem.ts";
import type { DepthwiseProblem, FloatDepthwise, IntegerDepthwise } from "./problem.ts";

/** A copy that flips signs writes 8 bytes at a time. */
const FLIP_OVERRUN = 7;
const OVERRUN_BYTES = 8;
const ESTIMATE = { cost: 1, why: "simd=off" };

function bordered(problem: DepthwiseProblem, elementBytes: number): { readonly record: Int32Array; readonly image: WindowImage } {
  const { attrs, outShape, size } = problem;
  const padded = paddedShape(problem);
  const [batch, height, width, channels] = padded;
  return {
    record: windowRecord(padded, outShape, size, { ...attrs, pads: [0, 0, 0, 0] }),
    image: {
      input: height * width * channels * elementBytes,
      output: (elementCount(outShape) / batch) * elementBytes,
      isPadded: true,
    },
  };
}

export const SCALAR_FLOAT: Candidate<FloatDepthwise> = {
  kernel: "f32_depthwise_direct_4x1__wasm_scalar",
  requires: [],
  sparse: false,
  estimate: () => ESTIMATE,
  plan(context, problem) {
    const { shape, size, weights, bias } = problem;
    return planCall(context, problem, {
      kernel: this.kernel,
      ...bordered(problem, 4),
      rate: SCALAR_RATE.depthwise,
      copy: borderedCopy(context, problem, 4, OVERRUN_BYTES),
      weights: context.weights(packScalarDepthwiseF32(weights, size[0] * size[1], shape[3]!, bias)),
      finish: activationArgs(context, problem.activation),
    });
  },
};

const integer = (kernel: string, why: (problem: IntegerDepthwise) => string): Candidate<IntegerDepthwise> => ({
  kernel,
  requires: [],
  sparse: false,
  estimate: (problem) => ({ cost: 1, why: why(problem) }),
  plan(context, problem) {
    const { shape, pads, size, weights, bias, finish, isSigned } = problem;
    const zeroPoint = unsignedZeroPoint(problem);
    const copy = inputCopy(context, problem, {
      kernel: "i8_unsign_rows__wasm_scalar",
      inputBytes: 1,
      outBytes: 1,
      overrun: isSigned ? FLIP_OVERRUN : 0,
      finish: [zeroPoint, isSigned ? FLIP : 0],
      slack: OVERRUN_BYTES,
    });
    return planCall(context, problem, {
      kernel,
      ...bordered(problem, 1),
      rate: SCALAR_RATE.depthwise,
      copy: isSigned || isPadded(pads) ? copy : undefined,
      weights: context.weights(packScalarDepthwiseI8(weights, size[0] * size[1], shape[3]!, bias, scaleWords(finish), zeroPoint)),
      finish: [context.table(scalarPostOf(finish))],
    });
  },
});

export const SCALAR_INTEGER = integer("i8_depthwise_direct_4x1__wasm_scalar", () => ESTIMATE.why);

/** Of a layer in fixed point, whether there are vector instructions or not. */
export const FIXED_INTEGER = integer("i8_depthwise_fixed_4x1__wasm_scalar", ({ finish }) => fixedWhy(finish.fixed!));
