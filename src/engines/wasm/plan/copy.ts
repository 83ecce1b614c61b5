/** Copies of images that kernels read instead of the input: bordered, and converted on the way. Threads share them by rows. */
import type { KernelCall, PlanContext } from "../program.ts";
import { padRecord } from "../records.ts";
import { splitPadded } from "./split.ts";
import { isPadded } from "./windows.ts";

/** A kernel with arguments [from, to, geometry, ...finish]. */
export interface Copy {
  readonly kernel: string;
  /** Of `imageRecord`. */
  readonly record: Int32Array;
  /** Bytes written per byte read. */
  readonly outBytes: number;
  /** Elements that it may write behind a row. */
  readonly overrun: number;
  readonly finish: readonly number[];
}

/** Geometry of a copy of [N][H][W][C]; without padding the image is one long row. */
export function imageRecord(shape: readonly number[], pads: readonly [number, number, number, number], elementBytes: number): Int32Array {
  const [n = 1, h = 1, w = 1, c = 1] = shape;
  return isPadded(pads) ? padRecord([n, h, w, c], pads, elementBytes) : padRecord([1, 1, n * h * w, c], pads, elementBytes);
}

export function copyCall(context: PlanContext, { kernel, record, outBytes, overrun, finish }: Copy, from: number, to: number): KernelCall {
  const args = (x: number, c: number, geometry: number): readonly number[] => [from + x, to + c, geometry, ...finish];
  const split = splitPadded(context, record, outBytes, overrun, args);
  return { kernel, args: args(0, 0, context.table(record)), ...(split && { split }) };
}
