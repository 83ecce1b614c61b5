/** Copies of images that kernels read instead of the input: bordered, and converted on the way. Threads share them by rows. */
import type { KernelCall, PlanContext } from "../program.ts";
import { padRecord } from "../records.ts";
import { splitPadded } from "./split.ts";
import { isPadded } from "./windows.ts";

/** An image that windows are read from, and the border around it. */
export interface Image {
  /** [N][H][W][C] */
  readonly shape: readonly number[];
  readonly pads: readonly [top: number, left: number, bottom: number, right: number];
  /** Address. */
  readonly input: number;
}

/** What lies in scratch memory in place of the input, and the call that fills it. */
export interface InputCopy {
  readonly bytes: number;
  readonly call: (to: number) => KernelCall;
}

/** A kernel with arguments [from, to, geometry, ...finish]. */
export interface CopyKernel {
  readonly kernel: string;
  /** Of an element that it reads. */
  readonly inputBytes: number;
  /** Bytes written per byte read. */
  readonly outBytes: number;
  /** Elements that it may write behind a row. */
  readonly overrun: number;
  readonly finish: readonly number[];
  /** Bytes behind the copy that it, or who reads the copy, may touch. */
  readonly slack: number;
}

export function inputCopy(context: PlanContext, { shape, pads, input }: Image, copy: CopyKernel): InputCopy {
  const { kernel, inputBytes, outBytes, overrun, finish, slack } = copy;
  const [n = 1, h = 1, w = 1, c = 1] = shape;
  const [top, left, bottom, right] = pads;
  // Without padding the image is one long row.
  const record = padRecord(isPadded(pads) ? [n, h, w, c] : [1, 1, n * h * w, c], pads, inputBytes);
  return {
    bytes: n * (top + h + bottom) * (left + w + right) * c * inputBytes * outBytes + slack,
    call: (to) => {
      const args = (x: number, y: number, geometry: number): readonly number[] => [input + x, to + y, geometry, ...finish];
      const split = splitPadded(context, record, outBytes, overrun, args);
      return { kernel, args: args(0, 0, context.table(record)), ...(split && { split }) };
    },
  };
}

/**
 * The image with its border; undefined where it has none.
 * @param fill value of each byte of the border
 */
export function borderedCopy(context: PlanContext, image: Image, elementBytes: number, slack = 0, fill = 0): InputCopy | undefined {
  if (!isPadded(image.pads)) return undefined;
  const kernel = `any_pad_rows__wasm_${context.selection.simd ? "simd" : "scalar"}`;
  return inputCopy(context, image, { kernel, inputBytes: elementBytes, outBytes: 1, overrun: 0, finish: [fill], slack });
}
