/** Functions that kernels call, for both translators of gpu.js, and the parameters of fused activations. */
import type { Activation } from "../../../graph/ir.ts";

interface Helper {
  readonly name: string;
  readonly glsl: string;
  /** The same for the CPU. */
  readonly plain: (...args: never[]) => number;
  readonly argumentTypes: Readonly<Record<string, "Integer" | "Number">>;
  readonly returnType: "Integer" | "Number";
}

const INTEGERS = { a: "Integer", b: "Integer" } as const;

export const HELPERS: readonly Helper[] = [
  {
    name: "idiv",
    // Division of integers is exact; of floats it need not be, not even where the quotient is an integer.
    glsl: "int idiv(int a, int b) { return a / b; }",
    plain: function idiv(a: number, b: number): number {
      return Math.floor(a / b);
    },
    argumentTypes: INTEGERS,
    returnType: "Integer",
  },
  {
    name: "imod",
    glsl: "int imod(int a, int b) { return a - (a / b) * b; }",
    plain: function imod(a: number, b: number): number {
      return a % b;
    },
    argumentTypes: INTEGERS,
    returnType: "Integer",
  },
  {
    name: "finish",
    // Kinds: 0 none, 1 at least lo, 2 lo to hi, 3 hardswish.
    glsl: `float finish(float v, int kind, float lo, float hi) {
      if (kind == 1) return max(v, lo);
      if (kind == 2) return min(max(v, lo), hi);
      if (kind == 3) return v * min(max(v + 3.0, 0.0), 6.0) / 6.0;
      return v;
    }`,
    plain: function finish(v: number, kind: number, lo: number, hi: number): number {
      if (kind === 1) return Math.max(v, lo);
      if (kind === 2) return Math.min(Math.max(v, lo), hi);
      if (kind === 3) return (v * Math.min(Math.max(v + 3, 0), 6)) / 6;
      return v;
    },
    argumentTypes: { v: "Number", kind: "Integer", lo: "Number", hi: "Number" },
    returnType: "Number",
  },
];

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
