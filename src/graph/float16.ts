/** IEEE 754 binary16 as bits: exact in one direction, rounded half to even in the other. Node 20 has no Float16Array. */

/** Largest finite value. */
export const FLOAT16_MAX = 65504;

const SMALLEST_NORMAL = 2 ** -14;
const SUBNORMAL_STEPS = 2 ** 24;

/** Rounds a number (once, from double precision) to the nearest binary16; beyond the largest, to an infinity. */
export function toFloat16Bits(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const a = Math.abs(x);
  if (Number.isNaN(x)) return 0x7e00;
  if (a < SMALLEST_NORMAL) return sign | roundEven(a * SUBNORMAL_STEPS);
  if (a >= FLOAT16_MAX + 16) return sign | 0x7c00;
  let exponent = Math.floor(Math.log2(a));
  // Near a power of two the logarithm may round up.
  if (2 ** exponent > a) exponent--;
  // 1024 … 2048 steps in an octave; reaching 2048 carries into the exponent by itself.
  return sign | (((exponent + 14) << 10) + roundEven(a * 2 ** (10 - exponent)));
}

/** Exact: every binary16 is a float32. */
export function fromFloat16Bits(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 0x3ff;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? mantissa / SUBNORMAL_STEPS : (1024 + mantissa) * 2 ** (exponent - 25));
}

/** Half to even, of a small non-negative number. */
function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && (floor & 1) === 1) ? floor + 1 : floor;
}
