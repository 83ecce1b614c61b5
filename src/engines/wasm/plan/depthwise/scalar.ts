/** Candidates of a depthwise convolution without vector instructions, over a bordered copy of the image where there is a border. */
import { elementCount } from "../../../../graph/dtype.ts";
import { scaleWords } from "../../../../graph/fixed-point.ts";
import { packScalarDepthwiseF32, packScalarDepthwiseI8 } from "../../pack-scalar.ts";
import { activationCode, floatPost, padRecord, windowRecord } from "../../records.ts";
import type { Candidate } from "../candidates.ts";
import { copyCall, imageRecord } from "../copy.ts";
import type { Copy } from "../copy.ts";
import { fixedWhy, scalarPostOf } from "../integer/scalar.ts";
import { SCALAR_RATE } from "../split.ts";
import type { WindowImage } from "../split.ts";
import { isPadded } from "../windows.ts";
import { paddedShape, planCall } from "./problem.ts";
import type { DepthwiseProblem, FloatDepthwise, IntegerDepthwise } from "./problem.ts";

/** A copy that flips signs writes 8 bytes at a time. */
const FLIP_OVERRUN = 7;
const OVERRUN_BYTES = 8;
const ESTIMATE = { cost: 1, why: "simd=off" };

function bordered(problem: DepthwiseProblem, elementBytes: number): { record: Int32Array; image: WindowImage; copyBytes: number } {
  const { attrs, outShape, size } = problem;
  const padded = paddedShape(problem);
  const [batch, height, width, channels] = padded;
  const input = height * width * channels * elementBytes;
  return {
    record: windowRecord(padded, outShape, size, { ...attrs, pads: [0, 0, 0, 0] }),
    image: { input, output: (elementCount(outShape) / batch) * elementBytes, isPadded: true },
    copyBytes: batch * input + OVERRUN_BYTES,
  };
}

export const SCALAR_FLOAT: Candidate<FloatDepthwise> = {
  kernel: "f32_depthwise_direct_4x1__wasm_scalar",
  requires: [],
  sparse: false,
  estimate: () => ESTIMATE,
  plan(context, problem) {
    const { shape, size, weights, bias, attrs, activation, input } = problem;
    const { copyBytes, ...windows } = bordered(problem, 4);
    const copy: Copy = {
      kernel: "any_pad_rows__wasm_scalar",
      record: padRecord(shape, attrs.pads, 4),
      outBytes: 1,
      overrun: 0,
      finish: [0],
    };
    return planCall(context, problem, {
      kernel: this.kernel,
      ...windows,
      rate: SCALAR_RATE.depthwise,
      ...(isPadded(attrs.pads) && {
        copy: { bytes: copyBytes, call: (to) => copyCall(context, copy, input, to) },
      }),
      weights: context.weights(packScalarDepthwiseF32(weights, size[0] * size[1], shape[3]!, bias)),
      finish: [activationCode(activation), context.table(floatPost(activation))],
    });
  },
};

const integer = (kernel: string, why: (problem: IntegerDepthwise) => string): Candidate<IntegerDepthwise> => ({
  kernel,
  requires: [],
  sparse: false,
  estimate: (problem) => ({ cost: 1, why: why(problem) }),
  plan(context, problem) {
    const { shape, size, weights, bias, attrs, finish, input, isSigned } = problem;
    const { copyBytes, ...windows } = bordered(problem, 1);
    const zeroPoint = problem.inputZeroPoint + (isSigned ? 128 : 0);
    const copy: Copy = {
      kernel: "i8_unsign_rows__wasm_scalar",
      record: imageRecord(shape, attrs.pads, 1),
      outBytes: 1,
      overrun: isSigned ? FLIP_OVERRUN : 0,
      finish: [zeroPoint, isSigned ? 0x80 : 0],
    };
    return planCall(context, problem, {
      kernel,
      ...windows,
      rate: SCALAR_RATE.depthwise,
      ...((isSigned || isPadded(attrs.pads)) && {
        copy: { bytes: copyBytes, call: (to) => copyCall(context, copy, input, to) },
      }),
      weights: context.weights(packScalarDepthwiseI8(weights, size[0] * size[1], shape[3]!, bias, scaleWords(finish), zeroPoint)),
      finish: [context.table(scalarPostOf(finish))],
    });
  },
});

export const SCALAR_INTEGER = integer("i8_depthwise_direct_4x1__wasm_scalar", () => ESTIMATE.why);

/** Of a layer in fixed point, whether there are vector instructions or not. */
export const FIXED_INTEGER = integer("i8_depthwise_fixed_4x1__wasm_scalar", ({ finish }) => fixedWhy(finish.fixed!));
