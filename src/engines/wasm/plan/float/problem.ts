/** A float layer with constant weights (convolution, dense, product), as its candidates see it. */
import type { Activation } from "../../../../graph/ir.ts";
import { liveIndices } from "../../pack-sparse.ts";
import type { KernelCall, PlanContext } from "../../program.ts";
import { padRecord } from "../../records.ts";
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
  readonly bias: Float32Array | undefined;
  readonly activation: Activation | undefined;
  /** Addresses. */
  readonly input: number;
  readonly output: number;
}

const liveBlocks = new WeakMap<Float32Array, readonly Int32Array[]>();

/** Per panel of 8 outputs, the inputs with any non-zero weight; of an ungrouped problem. */
export function liveBlocksOf({ weights, n, k }: FloatProblem): readonly Int32Array[] {
  let live = liveBlocks.get(weights);
  if (live === undefined) liveBlocks.set(weights, (live = liveIndices({ data: weights, offset: 0, n, k })));
  return live;
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
  const geometry = context.table(padRecord(pad.input, pad.pads, 4));
  return {
    bytes: windows.padded.reduce((size, d) => size * d, 4),
    call: (to) => ({ kernel: "any_pad_rows__wasm_simd", args: [input, to, geometry, 0] }),
  };
}
