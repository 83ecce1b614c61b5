/**
 * Convolution windows as the indirect tiles see them: an offset per output pixel plus an offset per segment, where a segment is a run of
 * input elements that lies contiguously in memory. Padding is materialized in a copy first, so every window is in range and one list of
 * segments serves all pixels. Everything is counted in elements, since a copy may hold them wider than the input.
 */
import type { Conv2DAttrs, Shape } from "../../../graph/ir.ts";

export interface Windows {
  /** Output pixels over the whole batch. */
  readonly m: number;
  /** Offset of each pixel's window. */
  readonly rows: Int32Array;
  /** Offset of each segment from the window's start. */
  readonly segments: Int32Array;
  /** Elements of one segment. */
  readonly run: number;
  /** Distance of the windows when they are equally spaced single segments (a plain matrix). */
  readonly stride?: number;
}

export function isPadded(pads: Conv2DAttrs["pads"]): boolean {
  return pads.some((p) => p !== 0);
}

/** @param kernel [KH, KW] */
export function planWindows(
  input: Shape,
  output: Shape,
  kernel: readonly [number, number],
  attrs: Pick<Conv2DAttrs, "strides" | "dilations" | "pads" | "groups">,
): Windows {
  const [n = 1, h = 1, w = 1, c = 1] = input;
  const [, oh = 1, ow = 1] = output;
  const [top, left, bottom, right] = attrs.pads;
  const height = h + top + bottom;
  const width = w + left + right;
  const m = n * oh * ow;
  const rows = new Int32Array(m);
  let i = 0;
  for (let image = 0; image < n; image++) {
    for (let y = 0; y < oh; y++) {
      const row = (image * height + y * attrs.strides[0]) * width;
      for (let x = 0; x < ow; x++) rows[i++] = (row + x * attrs.strides[1]) * c;
    }
  }

  const [kh, kw] = kernel;
  const groupChannels = c / attrs.groups;
  const wholeRows = attrs.groups === 1 && (attrs.dilations[1] === 1 || kw === 1);
  // A window as wide as the image is one run, so a convolution that ends in 1×1 pixels is a dense layer.
  const wholeWindow = wholeRows && kw === width && (attrs.dilations[0] === 1 || kh === 1);
  const segments: number[] = [];
  for (let y = 0; y < kh; y++) {
    const row = y * attrs.dilations[0] * width * c;
    if (wholeWindow && y > 0) break;
    if (wholeRows) segments.push(row);
    else for (let x = 0; x < kw; x++) segments.push(row + x * attrs.dilations[1] * c);
  }
  const packedPixels = attrs.strides[1] === 1 && ow === width && attrs.strides[0] === 1 && oh === height;
  return {
    m,
    rows,
    segments: Int32Array.from(segments),
    run: wholeWindow ? kh * kw * c : wholeRows ? kw * groupChannels : groupChannels,
    ...(segments.length === 1 && (packedPixels || m === 1) ? { stride: c } : {}),
  };
}

/** A plain matrix [m][k]. */
export function matrixWindows(m: number, k: number): Windows {
  return { m, rows: Int32Array.from({ length: m }, (_, i) => i * k), segments: Int32Array.of(0), run: k, stride: k };
}

/** Offset of input i of a window from its start. */
export function elementOffset({ segments, run }: Windows, i: number): number {
  const segment = Math.floor(i / run);
  return segments[segment]! + (i - segment * run);
}

/** Rows to run through all panels before the next block: their inputs stay within a level-2 cache. */
export function rowBlock(m: number, rowBytes: number, budgetBytes = 131072): number {
  const rows = Math.floor(budgetBytes / Math.max(1, rowBytes) / 4) * 4;
  return Math.min(Math.max(32, rows), Math.ceil(m / 4) * 4);
}
