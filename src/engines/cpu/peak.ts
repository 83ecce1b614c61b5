/**
 * What this JavaScript engine can do at most: loops over local variables, no memory. Kernels are quoted as a share of it. Eight
 * independent sums hide the latency of each operation.
 */
import type { Loop } from "../peak.ts";

const ITERATIONS = 100_000;
const SUMS = 8;

/** Multiply-adds in doubles, as the float kernels accumulate. */
function floats(n: number, x: number, y: number): number {
  let a = 1;
  let b = 2;
  let c = 3;
  let d = 4;
  let e = 5;
  let f = 6;
  let g = 7;
  let h = 8;
  for (let i = 0; i < n; i++) {
    a = a * x + y;
    b = b * x + y;
    c = c * x + y;
    d = d * x + y;
    e = e * x + y;
    f = f * x + y;
    g = g * x + y;
    h = h * x + y;
  }
  return a + b + c + d + e + f + g + h;
}

/** Multiply-adds in int32. */
function integers(n: number, factor: number, summand: number): number {
  const x = factor | 0;
  const y = summand | 0;
  let a = 1;
  let b = 2;
  let c = 3;
  let d = 4;
  let e = 5;
  let f = 6;
  let g = 7;
  let h = 8;
  for (let i = 0; i < n; i++) {
    a = (Math.imul(a, x) + y) | 0;
    b = (Math.imul(b, x) + y) | 0;
    c = (Math.imul(c, x) + y) | 0;
    d = (Math.imul(d, x) + y) | 0;
    e = (Math.imul(e, x) + y) | 0;
    f = (Math.imul(f, x) + y) | 0;
    g = (Math.imul(g, x) + y) | 0;
    h = (Math.imul(h, x) + y) | 0;
  }
  return (a ^ b ^ c ^ d ^ e ^ f ^ g ^ h) | 0;
}

/** What the loops gave: kept, so that no compiler may leave them out. */
let last = 0;

function peakOf(type: Loop["type"], name: string, loop: (n: number, x: number, y: number) => number): Loop {
  // Values that change nothing and overflow nothing, unknown to the compiler.
  return { type, name, operations: 2 * SUMS * ITERATIONS, run: () => (last = loop(ITERATIONS, Math.sign(last + 1e9), 0)) };
}

export function cpuPeaks(): readonly Loop[] {
  return [peakOf("float32", "float64 multiply and add", floats), peakOf("int8", "int32 multiply and add", integers)];
}
