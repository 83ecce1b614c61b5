/** Candidates of an int8 depthwise convolution where the relaxed dot product is exact for unsigned × signed bytes. */
import { elementCount } from "../../../../graph/dtype.ts";
import { areSignedBytes, packDepthwiseDot } from "../../pack-dot.ts";
import { tilePost, windowRecord } from "../../records.ts";
import type { Candidate } from "../candidates.ts";
import { RATE } from "../split.ts";
import { unsignedInput, unsignedZeroPoint } from "../unsigned-input.ts";
import { paddedShape, planCall, windowName } from "./problem.ts";
import type { IntegerDepthwise } from "./problem.ts";

/**
 * Time relative to the tiles of int16 pairs, which read the image where it lies, while these need an unsigned copy (Node 24.21, V8 13.6, x64
 * with AVX-VNNI, 2026-11-24; images of 6 to 48 pixels: 0.80 to 0.89, 1.02 to 1.06, 0.92, 1.11).
 */
const COST: Readonly<Record<string, number>> = { w3s1: 0.83, w3s2: 1.04, w5s1: 0.92, w5s2: 1.11 };

function dot(window: string, cost: number): Candidate<IntegerDepthwise> {
  const kernel = `i8_depthwise_dot_${window}_1x4__wasm_relaxed`;
  return {
    kernel,
    requires: ["relaxed-dot"],
    sparse: false,
    estimate: (problem) =>
      windowName(problem) === window && areSignedBytes(problem.weights) ? { cost, why: "8-bit dot product" } : undefined,
    plan(context, problem) {
      const { attrs, outShape, size, weights, bias, finish } = problem;
      const padded = paddedShape(problem);
      const [batch, height, width, channels] = padded;
      return planCall(context, problem, {
        kernel,
        record: windowRecord(padded, outShape, size, { ...attrs, pads: [0, 0, 0, 0] }),
        image: { input: height * width * channels, output: elementCount(outShape) / batch, isPadded: true },
        rate: RATE.depthwise,
        copy: unsignedInput(context, problem),
        weights: context.weights(packDepthwiseDot(weights, ...size, channels, bias, finish.scales, unsignedZeroPoint(problem))),
        finish: [context.table(tilePost(finish.zeroPoint, finish.lo, finish.hi, problem.isSignedOutput))],
      });
    },
  };
}

export const RELAXED_TILES: readonly Candidate<IntegerDepthwise>[] = Object.entries(COST).map(([window, cost]) => dot(window, cost));
