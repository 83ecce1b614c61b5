/** Neighbours of numbers among the float32 values: what a comparison in double precision is in float32. */

const word = new Int32Array(1);
const single = new Float32Array(word.buffer);

/** The largest float32 below `x`, a float32 value other than -Infinity. */
export function nextBelow(x: number): number {
  if (x === 0) return -(2 ** -149);
  single[0] = x;
  word[0] = word[0]! + (x > 0 ? -1 : 1);
  return single[0];
}

/** The largest float32 that is not above `x`; NaN stays NaN. */
export function floorFloat32(x: number): number {
  const rounded = Math.fround(x);
  return rounded > x ? nextBelow(rounded) : rounded;
}
