/** From one integer grid to another: a table of 256 entries between 8-bit ones, the requantization of int16.ts where int16 takes part. */
import type { Tensor } from "../../../graph/ir.ts";
import { isInt16, regridScale } from "../../../graph/int16.ts";
import { integerRange, requantize, unaryTable } from "../../../graph/numerics.ts";
import { isByte, isQuantized } from "./shared.ts";

export interface Regrid {
  readonly element: (q: number) => number;
  /** Of its table. */
  readonly weightBytes: number;
}

/** @returns undefined between types and grids without such a rule: one scale each, 8 bits or int16 */
export function regridder(x: Tensor, out: Tensor): Regrid | undefined {
  if (!isQuantized(x) || !isQuantized(out) || x.quant.scales.length !== 1 || out.quant.scales.length !== 1) return undefined;
  if (isByte(x.dtype) && isByte(out.dtype)) {
    const table = unaryTable(undefined, x.quant, x.dtype, out.quant, out.dtype);
    return { element: (q) => table[q & 255]!, weightBytes: table.byteLength };
  }
  if (![x, out].every((tensor) => isByte(tensor.dtype) || isInt16(tensor))) return undefined;
  const [lo, hi] = integerRange(out.dtype);
  const scale = regridScale(x.quant, out.quant);
  const [from, to] = [x.quant.zeroPoints[0]!, out.quant.zeroPoints[0]!];
  return { element: (q) => requantize(q - from, scale, to, lo, hi), weightBytes: 0 };
}
