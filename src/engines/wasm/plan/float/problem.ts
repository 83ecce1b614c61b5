/** A float layer with constant weights (convolution, dense, product), as its candidates see it. */
import type { Activation, FloatCode } from "../../../../graph/ir.ts";
import type { KernelCall, PlanContext } from "../../program.ts";
import { padRecord } from "../../records.ts";
import { copyCall } from "../copy.ts";
import type { Windows } from "../windows.ts";

export interface FloatProblem {
  readonly windows: Windows;
  /** Input shape and pads, when the windows need a padded copy. */
  readonly pad?: { readonly input: readonly number[]; readonly pads: readonly [number, number, number, number] };
  readonly groups: number;
  /** Outputs of one group. */
  readonly n: number;
  /** Inputs of one output: the length of a window. */
  readonly k: number;
  /** [groups × n][k] */
  readonly weights: Float32Array;
  /** Compact form of exactly these weights. */
  readonly code?: FloatCode;
  readonly bias: Float32Array | undefined;
  readonly activation: Activation | undefined;
  /** Addresses. */
  readonly input: number;
  readonly output: number;
}

/** Byte offset of element i of a window from its start. */
export function elementOffset({ segments, run }: Windows, i: number): number {
  const segment = Math.floor(i / run);
  return segments[segment]! + (i - segment * run) * 4;
}

/** The padded copy that the windows read, when they need one: its bytes of scratch, and the call that fills it. */
export function paddedInput(
  context: PlanContext,
  { windows, pad, input }: FloatProblem,
): { readonly bytes: number; readonly call: (to: number) => KernelCall } | undefined {
  if (pad === undefined || windows.padded === undefined) return undefined;
  const record = padRecord(pad.input, pad.pads, 4);
  return {
    bytes: windows.padded.reduce((size, d) => size * d, 4),
    call: (to) => padCall(context, record, input, to),
  };
}

/** Copies an image with a border of zeros. @param record of padRecord, in float32 elements */
export function padCall(context: PlanContext, record: Int32Array, from: number, to: number): KernelCall {
  return copyCall(context, { kernel: "any_pad_rows__wasm_simd", record, outBytes: 1, overrun: 0, finish: [0] }, from, to);
}
