/**
 * Candidates of a depthwise convolution on plain SIMD: the register tiles of tools/wasm-gen/depthwise.ts, which cover 3 and 5 columns at a
 * stride of 1 or 2, and the kernels of one output at a time, which cover any window.
 */
import { elementCount } from "../../../../graph/dtype.ts";
import { packDepthwiseF32, packDepthwiseI8, packDepthwisePairs } from "../../pack.ts";
import type { KernelCall, PlanContext } from "../../program.ts";
import { partialRecord, tilePost, windowRecord } from "../../records.ts";
import type { Candidate } from "../candidates.ts";
import { tableCall } from "../elementwise.ts";
import { activationArgs } from "../float/problem.ts";
import { OVERRUN_BYTES, widenedInput } from "../integer/problem.ts";
import { CACHE_LINE, RATE } from "../split.ts";
import type { WindowImage } from "../split.ts";
import { paddedShape, planCall, windowName } from "./problem.ts";
import type { DepthwiseProblem, FloatDepthwise, IntegerDepthwise } from "./problem.ts";

/** Tiles by window: neighbouring outputs at once. */
const F32_TILES: Readonly<Record<string, number>> = { w3s1: 4, w3s2: 3, w5s1: 2, w5s2: 2 };
const I8_TILES: Readonly<Record<string, number>> = { w3s1: 4, w3s2: 4, w5s1: 4, w5s2: 4 };
/** Kernels read whole vectors: this much may be touched behind a row of padding. */
const OVERREAD_BYTES = 64;

/** @param panelBytes of weights for `panel` channels */
function tileImage({ shape, outShape }: DepthwiseProblem, elementBytes: number, panel: number, panelBytes: number): WindowImage {
  const [batch = 1, , , channels = 1] = shape;
  const unit = CACHE_LINE / elementBytes;
  return {
    input: (elementCount(shape) / batch) * elementBytes,
    output: (elementCount(outShape) / batch) * elementBytes,
    isPadded: false,
    channels: { count: channels, unit, bytes: elementBytes, weightBytes: (unit / panel) * panelBytes },
  };
}

function floatTile(window: string, columns: number): Candidate<FloatDepthwise> {
  const kernel = `f32_depthwise_${window}_1x${columns}__wasm_simd`;
  return {
    kernel,
    requires: [],
    sparse: false,
    estimate: (problem) => (windowName(problem) === window ? { cost: 1, why: "tiles of outputs" } : undefined),
    plan(context, problem) {
      const { shape, size, weights, bias, activation } = problem;
      const [kh, kw] = size;
      return planCall(context, problem, {
        kernel,
        record: partialRecord(shape, problem.outShape, size, problem.attrs),
        image: tileImage(problem, 4, 4, 16 * (1 + kh * kw)),
        rate: RATE.depthwise,
        weights: context.weights(packDepthwiseF32(weights, kh * kw, shape[3]!, bias, "overlapping")),
        finish: activationArgs(context, activation),
      });
    },
  };
}

/** Time of the kernels of one output relative to the tiles, 2026-11-24: float32 2.3 to 4.2 (Node 20.20), int8 1.4 to 2.1 (Node 22 and 24). */
const DIRECT = { float: { cost: 3, why: "one output at a time" }, integer: { cost: 1.8, why: "one output at a time" } } as const;

const FLOAT_DIRECT: Candidate<FloatDepthwise> = {
  kernel: "f32_depthwise_direct_1x1__wasm_simd",
  requires: [],
  sparse: false,
  estimate: () => DIRECT.float,
  plan(context, problem) {
    const { shape, outShape, size, weights, bias, activation } = problem;
    const [batch = 1, , , channels = 1] = shape;
    return planCall(context, problem, {
      kernel: this.kernel,
      record: windowRecord(shape, outShape, size, problem.attrs),
      image: { input: (elementCount(shape) / batch) * 4, output: (elementCount(outShape) / batch) * 4, isPadded: false },
      rate: RATE.depthwise,
      weights: context.weights(packDepthwiseF32(weights, size[0] * size[1], channels, bias, "inTurn")),
      finish: activationArgs(context, activation),
    });
  },
};

export const FLOAT_TILES: readonly Candidate<FloatDepthwise>[] = [
  ...Object.entries(F32_TILES).map(([window, columns]) => floatTile(window, columns)),
  FLOAT_DIRECT,
];

function integerPost(context: PlanContext, { finish, isSignedOutput }: IntegerDepthwise): number {
  return context.table(tilePost(finish.zeroPoint, finish.lo, finish.hi, isSignedOutput));
}

/** Turns uint8 into int8, 128 lower. */
const FLIP = Uint8Array.from({ length: 256 }, (_, q) => q ^ 0x80);

function integerTile(window: string, columns: number): Candidate<IntegerDepthwise> {
  const kernel = `i8_depthwise_${window}_1x${columns}__wasm_simd`;
  return {
    kernel,
    requires: [],
    sparse: false,
    estimate: (problem) => (windowName(problem) === window ? { cost: 1, why: "tiles of outputs" } : undefined),
    plan(context, problem) {
      const { shape, size, weights, bias, finish, isSigned, input } = problem;
      const [, , width = 1, channels = 1] = shape;
      const zeroPoint = problem.inputZeroPoint - (isSigned ? 0 : 128);
      const packed = packDepthwisePairs(weights, size, channels, bias, finish.scales, zeroPoint);
      const bytes = elementCount(shape);
      const copy = { bytes: bytes + OVERREAD_BYTES, call: (to: number): KernelCall => tableCall(input, to, bytes, context.table(FLIP)) };
      return planCall(context, problem, {
        kernel,
        record: partialRecord(shape, problem.outShape, size, problem.attrs),
        image: tileImage(problem, 1, 8, packed.byteLength / Math.ceil(channels / 8)),
        rate: RATE.depthwise,
        ...(isSigned ? {} : { copy }),
        weights: context.weights(packed),
        finish: [context.table(new Int8Array(width * channels + OVERREAD_BYTES).fill(zeroPoint)), integerPost(context, problem)],
      });
    },
  };
}

const INTEGER_DIRECT: Candidate<IntegerDepthwise> = {
  kernel: "i8_depthwise_direct_1x1__wasm_simd",
  requires: [],
  sparse: false,
  estimate: () => DIRECT.integer,
  plan(context, problem) {
    const { outShape, size, attrs, weights, bias, finish } = problem;
    const padded = paddedShape(problem);
    const [batch, height, width, channels] = padded;
    const rowBytes = width * channels * 2;
    return planCall(context, problem, {
      kernel: this.kernel,
      record: windowRecord(padded, outShape, size, { ...attrs, pads: [0, 0, 0, 0] }),
      image: { input: height * rowBytes, output: elementCount(outShape) / batch, isPadded: true },
      rate: RATE.depthwise,
      // An odd kernel reads, at weight 0, one row below its last.
      copy: widenedInput(context, problem, rowBytes * attrs.dilations[0] + OVERRUN_BYTES),
      weights: context.weights(packDepthwiseI8(weights, ...size, channels, bias, finish.scales)),
      finish: [integerPost(context, problem)],
    });
  },
};

export const INTEGER_TILES: readonly Candidate<IntegerDepthwise>[] = [
  ...Object.entries(I8_TILES).map(([window, columns]) => integerTile(window, columns)),
  INTEGER_DIRECT,
];
