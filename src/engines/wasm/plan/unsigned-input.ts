/**
 * Inputs of the 8-bit dot product, which wants unsigned bytes: read as they are stored when they are uint8 and need no border, otherwise from
 * a copy in which int8 is 128 higher. Weights take the shift into their bias.
 */
import type { KernelCall, PlanContext } from "../program.ts";
import { copyCall, imageRecord } from "./copy.ts";
import type { Copy } from "./copy.ts";
import { isPadded } from "./windows.ts";

/** Kernels read whole words: this much scratch may be touched behind what is needed. */
const OVERREAD_BYTES = 64;
/** Turns int8 into uint8, 128 higher. */
export const FLIP = 0x80;

export function unsignedZeroPoint(zeroPoint: number, isSigned: boolean): number {
  return isSigned ? zeroPoint + 128 : zeroPoint;
}

/**
 * The copy, where one is needed: its bytes, and the call that fills it.
 * @param zeroPoint of the input as stored
 */
export function unsignedInput(
  context: PlanContext,
  input: number,
  shape: readonly number[],
  pads: readonly [number, number, number, number],
  zeroPoint: number,
  isSigned: boolean,
): { readonly bytes: number; readonly call: (to: number) => KernelCall } | undefined {
  if (!isSigned && !isPadded(pads)) return undefined;
  const [n = 1, h = 1, w = 1, c = 1] = shape;
  const copy: Copy = {
    kernel: "i8_unsign_rows__wasm_relaxed",
    record: imageRecord(shape, pads, 1),
    outBytes: 1,
    overrun: 0,
    finish: [unsignedZeroPoint(zeroPoint, isSigned), isSigned ? FLIP : 0],
  };
  return {
    bytes: n * (h + pads[0] + pads[2]) * (w + pads[1] + pads[3]) * c + OVERREAD_BYTES,
    call: (to) => copyCall(context, copy, input, to),
  };
}
