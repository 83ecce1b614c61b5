/** DepthwiseConv2D as its candidates see it, the uniform of common/window_params.wgsl, and what tiles of both types have in common. */
import type { Conv2DAttrs, Tensor } from "../../../graph/ir.ts";
import type { Estimate } from "../../candidates.ts";
import type { DeviceFacts } from "../device.ts";
import { f, u } from "../step.ts";
import type { Operand } from "../step.ts";
import type { Candidate } from "./candidates.ts";
import { activationParams } from "./context.ts";
import type { Lowering } from "./context.ts";
import type { GeneralConv } from "./general.ts";
import { fixedConstants } from "./quantized.ts";
import type { IntegerFinish } from "./quantized.ts";

export interface DepthwiseProblem {
  readonly attrs: Conv2DAttrs;
  readonly x: Tensor;
  /** [KH, KW, C × multiplier] */
  readonly w: Tensor;
  readonly bias: Tensor | undefined;
  readonly out: Tensor;
  /** Of 8-bit types. */
  readonly finish: IntegerFinish | undefined;
  /** The same for the kernel that takes any convolution. */
  readonly general: GeneralConv;
}

/** One filter a channel. */
export function isPlainDepthwise({ x, out }: DepthwiseProblem): boolean {
  return out.shape[3] === x.shape[3];
}

/**
 * @param columns threads along one output line
 * @param rows output rows of a strip, and strips, of kernels that go down the image
 */
function windowParams(
  { attrs, x, w, out, finish }: DepthwiseProblem,
  columns: number,
  rows: readonly [number, number] = [0, 0],
): readonly number[] {
  const { kind, lo, hi } = activationParams(finish === undefined ? attrs.activation : undefined);
  return [
    ...u(
      x.shape[0]!,
      x.shape[1]!,
      x.shape[2]!,
      Math.ceil(x.shape[3]! / 4),
      out.shape[1]!,
      out.shape[2]!,
      columns,
      w.shape[1]!,
      w.shape[2]!,
    ),
    ...u(...attrs.strides, attrs.pads[0], attrs.pads[1], ...attrs.dilations, kind),
    ...f(lo, hi),
    ...u(((finish?.inZero ?? 0) & 255) * 0x01010101, finish?.outZero ?? 0, finish?.lo ?? 0, finish?.hi ?? 0, ...rows),
  ];
}

/** Float kernels know their activation when the pipeline is made (common/f32_finish.wgsl). */
function constantsOf({ attrs, finish }: DepthwiseProblem): Readonly<Record<string, number>> {
  if (finish === undefined) return { ACTIVATION: activationParams(attrs.activation).kind };
  return finish.fixed === undefined ? {} : fixedConstants(finish.fixed);
}

/** What a type brings to its tiles. */
export interface DepthwiseType {
  readonly name: "f32" | "i8";
  readonly takes: (problem: DepthwiseProblem) => boolean;
  /** Input, weights [tap][c/4], and what belongs to a channel. */
  readonly inputs: (c: Lowering, problem: DepthwiseProblem) => readonly Operand[];
}

const COLUMNS = 4;

/** Any window: four channels × four columns a thread. */
export function depthwiseTile(type: DepthwiseType, kernel = `${type.name}_depthwise_4x4__wgsl`): Candidate<DepthwiseProblem> {
  return {
    kernel,
    requires: [],
    sparse: false,
    estimate: (problem) => (type.takes(problem) ? { cost: 1, why: "dense weights" } : undefined),
    lower(c, problem) {
      const { x, out } = problem;
      const columns = Math.ceil(out.shape[2]! / COLUMNS);
      c.flat({
        kernel,
        params: windowParams(problem, columns),
        inputs: type.inputs(c, problem),
        output: out,
        constants: constantsOf(problem),
        threads: x.shape[0]! * out.shape[1]! * columns * Math.ceil(x.shape[3]! / 4),
      });
    },
  };
}

/**
 * Threads that occupy the device; what is beyond goes into longer strips, which read fewer lines twice. Software: 32 in place of 128, in
 * workgroups of four, take 0.67 to 0.88 of the time over the layers of MobileNetV1 0.25 96 (SwiftShader 5.0 on 2 cores, 2026-11-30).
 * Hardware: an assumption that tuning measures with the rest.
 */
const ENOUGH_THREADS = { software: 32, hardware: 16384 } as const;
/**
 * Relative to the tile. Software: processor times on SwiftShader 5.0, interleaved (2026-11-24), 48×48×8, 24×24×32 and 6×6×128: 0.55 to 0.7
 * in steps of one, 0.9 in steps of two, where lines meet less. Hardware: an assumption.
 */
const ROLLING_COST = { 1: 0.6, 2: 0.9 } as const;

/** Square windows in steps of one or two: as the tile, and down a strip of rows whose lines stay in registers. */
function rolling(type: DepthwiseType, size: 3 | 5, stride: 1 | 2): Candidate<DepthwiseProblem> {
  const kernel = `${type.name}_depthwise_rolling_${size}x${size}_s${stride}__wgsl`;
  return {
    kernel,
    requires: [],
    sparse: false,
    estimate(problem): Estimate | undefined {
      const { attrs, w } = problem;
      const fits = w.shape[1] === size && w.shape[2] === size && attrs.strides.every((s) => s === stride);
      if (!type.takes(problem) || !fits || attrs.dilations.some((d) => d !== 1)) return undefined;
      return { cost: ROLLING_COST[stride], why: "dense weights" };
    },
    lower(c, problem) {
      const { x, out } = problem;
      const columns = Math.ceil(out.shape[2]! / COLUMNS);
      const channels4 = Math.ceil(x.shape[3]! / 4);
      const [rows, strips] = stripsOf(out.shape[1]!, x.shape[0]! * columns * channels4, c.facts);
      c.flat({
        kernel,
        params: windowParams(problem, columns, [rows, strips]),
        inputs: type.inputs(c, problem),
        output: out,
        constants: { ...constantsOf(problem), FIT_W: out.shape[2]! % COLUMNS === 0 ? 1 : 0 },
        threads: x.shape[0]! * strips * columns * channels4,
      });
    },
  };
}

/** @param threads of a row @returns rows a strip, and strips */
function stripsOf(height: number, threads: number, { software }: DeviceFacts): readonly [number, number] {
  const wanted = Math.ceil(ENOUGH_THREADS[software ? "software" : "hardware"] / threads);
  const rows = Math.ceil(height / Math.min(height, wanted));
  return [rows, Math.ceil(height / rows)];
}

export function depthwiseTiles(type: DepthwiseType): readonly Candidate<DepthwiseProblem>[] {
  return [depthwiseTile(type), ...([3, 5] as const).flatMap((size) => ([1, 2] as const).map((stride) => rolling(type, size, stride)))];
}
