/**
 * Inputs of the 8-bit dot product, which wants unsigned bytes: read as they are stored when they are uint8 and need no border, otherwise from
 * a copy in which int8 is 128 higher. Weights take the shift into their bias.
 */
import type { PlanContext } from "../program.ts";
import { inputCopy } from "./copy.ts";
import type { Image, InputCopy } from "./copy.ts";
import { isPadded } from "./windows.ts";

/** An image of bytes as stored. */
export interface ByteImage extends Image {
  readonly isSigned: boolean;
  readonly inputZeroPoint: number;
}

/** Kernels read whole words: this much scratch may be touched behind what is needed. */
const OVERREAD_BYTES = 64;
/** Turns int8 into uint8, 128 higher. */
export const FLIP = 0x80;

export function unsignedZeroPoint({ inputZeroPoint, isSigned }: Pick<ByteImage, "inputZeroPoint" | "isSigned">): number {
  return isSigned ? inputZeroPoint + 128 : inputZeroPoint;
}

/** The copy, where one is needed. */
export function unsignedInput(context: PlanContext, image: ByteImage): InputCopy | undefined {
  const { isSigned, pads } = image;
  if (!isSigned && !isPadded(pads)) return undefined;
  return inputCopy(context, image, {
    kernel: "i8_unsign_rows__wasm_relaxed",
    inputBytes: 1,
    outBytes: 1,
    overrun: 0,
    finish: [unsignedZeroPoint(image), isSigned ? FLIP : 0],
    slack: OVERREAD_BYTES,
  });
}
