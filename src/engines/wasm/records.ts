/** Parameter records that kernels read from memory: bounds, requantization grids, window geometry. Layouts are documented in assembly/. */
import type { Activation, Conv2DAttrs, Pool2DAttrs, Rounding, Shape } from "../../graph/ir.ts";
import { ACTIVATION } from "./codes.ts";

/** 1.5 × 2^23 as float32 bits: adding it to |x| < 2^22 leaves round-half-even(x) in the low bits. */
const MAGIC_BITS = 0x4b400000;

const POST_BYTES = 48;
const TILE_POST_BYTES = 112;

/** Two splatted floats: [a ×4][b ×4]. */
export function floatPair(a: number, b: number): Float32Array {
  return Float32Array.of(a, a, a, a, b, b, b, b);
}

export function activationCode(activation: Activation | undefined): number {
  return activation?.kind === "hardswish" ? ACTIVATION.hardswish : ACTIVATION.clamp;
}

/** Bounds of a float kernel's fused activation; infinite ones change nothing. */
export function floatPost(activation: Activation | undefined): Float32Array {
  return activation?.kind === "clamp" ? floatPair(activation.min, activation.max) : floatPair(-Infinity, Infinity);
}

/** The same with the distance in bytes from each output to what is added to it before. */
export function residualPost(activation: Activation | undefined, distance: number): Int32Array {
  return Int32Array.of(...new Int32Array(floatPost(activation).buffer), distance);
}

/** Grid of an 8-bit output: [lo - zp ×4][hi - zp ×4][magic - zp ×4], then `extra` words. */
export function integerPost(
  zeroPoint: number,
  lo: number,
  hi: number,
  extra: readonly { readonly f32?: number; readonly i32?: number }[] = [],
): Int32Array {
  const words = new Int32Array(POST_BYTES / 4 + extra.length);
  const floats = new Float32Array(words.buffer);
  floats.fill(lo - zeroPoint, 0, 4);
  floats.fill(hi - zeroPoint, 4, 8);
  words.fill(MAGIC_BITS - zeroPoint, 8, 12);
  extra.forEach(({ f32, i32 }, i) => {
    if (f32 !== undefined) floats[12 + i] = f32;
    else words[12 + i] = i32 ?? 0;
  });
  return words;
}

/** Grid of an 8-bit output for kernels without vectors: [lo - zp f32][hi - zp f32][zp i32]. */
export function scalarPost(zeroPoint: number, lo: number, hi: number): Int32Array {
  const words = Int32Array.of(0, 0, zeroPoint);
  new Float32Array(words.buffer).set([lo - zeroPoint, hi - zeroPoint]);
  return words;
}

/** The same for kernels of fixed point: [lo - zp i32][hi - zp i32][zp i32][1 to round once]. */
export function fixedPost(zeroPoint: number, lo: number, hi: number, rounding: Rounding): Int32Array {
  return Int32Array.of(lo - zeroPoint, hi - zeroPoint, zeroPoint, rounding === "single" ? 1 : 0);
}

/** Whether x rounds exactly by adding the magic number, with room for the zero point. */
export function fitsMagic(x: number): boolean {
  return x < 2 ** 22 - 512;
}

/**
 * Grid for kernels that clamp packed bytes: `integerPost`, then [magic - zp ×4] for signed bytes, [lo ×16][hi ×16] as signed bytes and
 * the bytes that turn int8 into uint8; then `extra` words.
 * @param isSigned whether the output is int8
 */
export function tilePost(zeroPoint: number, lo: number, hi: number, isSigned: boolean, extra: Int32Array = new Int32Array(0)): Int32Array {
  const flip = isSigned ? 0 : 128;
  const words = new Int32Array(TILE_POST_BYTES / 4 + extra.length);
  words.set(integerPost(zeroPoint, lo, hi));
  words.fill(MAGIC_BITS - (zeroPoint - flip), 12, 16);
  const bytes = new Int8Array(words.buffer);
  bytes
    .fill(lo - flip, 64, 80)
    .fill(hi - flip, 80, 96)
    .fill(flip, 96, 112);
  words.set(extra, TILE_POST_BYTES / 4);
  return words;
}

/**
 * Whether every accumulator, scaled, stays within what `tilePost` rounds exactly (2^22, with room for the zero point), whatever the
 * input: |x - zeroPoint| is at most 255.
 * @param weights zero points taken off
 * @param channelOf output channel of weight i
 */
export function fitsTile(
  weights: Int16Array,
  channelOf: (i: number) => number,
  bias: Int32Array | undefined,
  scales: Float32Array,
): boolean {
  const largest = Float64Array.from(scales, (_, c) => Math.abs(bias?.[c] ?? 0));
  for (let i = 0; i < weights.length; i++) largest[channelOf(i)]! += 255 * Math.abs(weights[i]!);
  return largest.every((sum, c) => fitsMagic(sum * scales[c]!));
}

/** Window geometry of depthwise convolution and pooling. */
export function windowRecord(
  input: Shape,
  output: Shape,
  kernel: readonly [number, number],
  attrs: Pick<Conv2DAttrs | Pool2DAttrs, "strides" | "dilations" | "pads">,
  countIncludePad = false,
): Int32Array {
  const [n = 1, h = 1, w = 1, c = 1] = input;
  const [, oh = 1, ow = 1] = output;
  const [top, left, bottom, right] = attrs.pads;
  return Int32Array.of(
    ...[n, h, w, c, oh, ow, ...kernel, ...attrs.strides, ...attrs.dilations, top, left],
    ...[countIncludePad ? 1 : 0, bottom, right],
  );
}

/** Words behind those of `windowRecord`: how many channels to compute (others only lie between those), and 16 zeros at a multiple of 16 bytes. */
export const COMPUTED_CHANNELS = 17;
const PARTIAL_WORDS = 24;

/** `windowRecord` for kernels that may compute some of the channels; the depthwise tiles read its zeros where a window leaves the image. */
export function partialRecord(...window: Parameters<typeof windowRecord>): Int32Array {
  const words = new Int32Array(PARTIAL_WORDS);
  words.set(windowRecord(...window));
  words[COMPUTED_CHANNELS] = window[0][3]!;
  return words;
}

/** Geometry of a padded copy, in bytes of the unpadded element size. */
export function padRecord(input: Shape, pads: readonly [number, number, number, number], elementBytes: number): Int32Array {
  const [n = 1, h = 1, w = 1, c = 1] = input;
  const [top, left, bottom, right] = pads;
  const pixel = c * elementBytes;
  return Int32Array.of(n, h, w * pixel, top, bottom, left * pixel, right * pixel);
}
