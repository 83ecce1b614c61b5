/** Numbers that stand for operations in kernel arguments; the same constants head assembly/elementwise.ts and assembly/common.ts. */

export const ACTIVATION = { clamp: 0, hardswish: 1 } as const;

/** Beside an activation: a residual is added before. */
export const RESIDUAL = 2;

export const BINARY = { add: 0, sub: 1, mul: 2, div: 3, min: 4, max: 5 } as const;

export const UNARY = {
  clamp: 0,
  hardswish: 1,
  hardsigmoid: 2,
  leakyrelu: 3,
  sigmoid: 4,
  tanh: 5,
  exp: 6,
  log: 7,
  sqrt: 8,
  abs: 9,
  neg: 10,
  reciprocal: 11,
  floor: 12,
  ceil: 13,
} as const;

export const REDUCE = { sum: 0, max: 1, min: 2 } as const;
