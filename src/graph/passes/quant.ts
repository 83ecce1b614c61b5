/** Questions about quantization that several passes ask. */
import { isInt16 } from "../int16.ts";
import type { Quantization, Tensor } from "../ir.ts";

export type QuantizedTensor = Tensor & { readonly quant: Quantization };

export function isByte(tensor: Tensor): boolean {
  return tensor.dtype === "int8" || tensor.dtype === "uint8";
}

/** 8 bits with one scale: what integer kernels take as activations. */
export function isByteActivation(tensor: Tensor): tensor is QuantizedTensor {
  return isByte(tensor) && tensor.quant !== undefined && tensor.quant.axis === undefined;
}

/** What integer ops take and give: 8 bits, or int16 with zero point 0, with one scale. */
export function isIntegerActivation(tensor: Tensor): tensor is QuantizedTensor {
  return isByteActivation(tensor) || isInt16(tensor);
}

export function sameQuant(a: Quantization | undefined, b: Quantization | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.axis === b.axis &&
    a.scales.length === b.scales.length &&
    a.scales.every((scale, i) => scale === b.scales[i]) &&
    a.zeroPoints.every((zero, i) => zero === b.zeroPoints[i])
  );
}

/** Same element type and same grid: an op that only moves elements moves bytes. */
export function sameGrid(a: Tensor, b: Tensor): boolean {
  return a.dtype === b.dtype && sameQuant(a.quant, b.quant);
}
