/** Functions that kernels call, for both translators of gpu.js, and the parameters of fused activations. */
import type { Activation } from "../../../graph/ir.ts";

/** Division of integers in GLSL is exact; of floats it need not be, not even where the quotient is an integer. */
export const NATIVE_HELPERS: Readonly<Record<string, string>> = {
  idiv: "int idiv(int a, int b) { return a / b; }",
  imod: "int imod(int a, int b) { return a - (a / b) * b; }",
};

/** The same for the CPU. */
export const CPU_HELPERS: readonly ((a: number, b: number) => number)[] = [
  function idiv(a: number, b: number): number {
    return Math.floor(a / b);
  },
  function imod(a: number, b: number): number {
    return a % b;
  },
];

/** Kinds: 0 none, 1 at least lo, 2 lo to hi, 3 hardswish. */
export const FINISH = function finish(v: number, kind: number, lo: number, hi: number): number {
  if (kind === 1) {
    return Math.max(v, lo);
  }
  if (kind === 2) {
    return Math.min(Math.max(v, lo), hi);
  }
  if (kind === 3) {
    return (v * Math.min(Math.max(v + 3, 0), 6)) / 6;
  }
  return v;
};

export interface FinishParams {
  readonly kind: number;
  readonly lo: number;
  readonly hi: number;
}

const FLOAT_MAX = 3.4028234663852886e38;

export function finishParams(activation: Activation | undefined): FinishParams {
  if (activation === undefined) return { kind: 0, lo: 0, hi: 0 };
  if (activation.kind === "hardswish") return { kind: 3, lo: 0, hi: 0 };
  const { min, max } = activation;
  if (min === -Infinity && max === Infinity) return { kind: 0, lo: 0, hi: 0 };
  if (max === Infinity) return { kind: 1, lo: min, hi: 0 };
  // GLSL does not promise infinities.
  return { kind: 2, lo: Math.max(min, -FLOAT_MAX), hi: max };
}
