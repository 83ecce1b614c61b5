/** Quantiles of Student's t distribution, for intervals of means of a few values. */
import { invariant } from "../errors.ts";

/** 97.5 % quantiles for 1 to 10 degrees of freedom. */
const TABLE = [12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.306, 2.26216, 2.22814] as const;
/** 97.5 % quantile of the normal distribution. */
const Z = 1.959963984540054;

/**
 * 97.5 % quantile, so that ± it covers 95 %.
 * @param freedom degrees of freedom, at least 1; a fraction is rounded down, which errs towards the wider interval
 */
export function student975(freedom: number): number {
  const n = Math.floor(freedom);
  invariant(n >= 1, "Student's t needs at least one degree of freedom");
  const known = TABLE[n - 1];
  if (known !== undefined) return known;
  // Cornish and Fisher's expansion around the normal quantile; within 1.1e-4 from 11 on.
  const [z3, z5, z7] = [Z ** 3, Z ** 5, Z ** 7];
  return Z + (z3 + Z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * Z) / (96 * n * n) + (3 * z7 + 19 * z5 + 17 * z3 - 15 * Z) / (384 * n * n * n);
}
