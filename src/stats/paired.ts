/**
 * Two classifiers on the same samples. Only the samples on which they disagree say anything about a difference: b (only the first
 * is right) and c (only the second is right).
 */
import { invariant } from "../errors.ts";
import { binomialCdf } from "./binomial.ts";

export interface PairedComparison {
  readonly n: number;
  /** Right in the reference only. */
  readonly lost: number;
  /** Right in the other only. */
  readonly gained: number;
  /** (gained - lost) / n: how much better the other is. */
  readonly delta: number;
  /** 95 % interval of delta. */
  readonly deltaCi95: readonly [number, number];
  /** Exact McNemar p of "no difference". */
  readonly p: number;
}

/** @param reference,other for each sample whether that classifier was right (1, true) or wrong */
export function comparePaired(reference: ArrayLike<number | boolean>, other: ArrayLike<number | boolean>): PairedComparison {
  invariant(reference.length === other.length && reference.length > 0, "paired comparison needs the same samples on both sides");
  let lost = 0;
  let gained = 0;
  for (let i = 0; i < reference.length; i++) {
    const before = Boolean(reference[i]);
    const after = Boolean(other[i]);
    if (before && !after) lost++;
    else if (!before && after) gained++;
  }
  const n = reference.length;
  return {
    n,
    lost,
    gained,
    delta: (gained - lost) / n,
    deltaCi95: pairedDifferenceInterval(lost, gained, n),
    p: mcnemarExact(lost, gained),
  };
}

/** Two-sided exact McNemar test: the disagreements are a fair coin if there is no difference. 1 without disagreements. */
export function mcnemarExact(b: number, c: number): number {
  const n = b + c;
  if (n === 0) return 1;
  return Math.min(1, 2 * binomialCdf(Math.min(b, c), n, 0.5));
}

/**
 * 95 % interval of the difference of two paired proportions: Bonett and Price's adjusted Wald interval (2012), one imagined sample
 * added to each kind of disagreement, which keeps its coverage where few or no samples disagree. Clipped to -1..1.
 */
export function pairedDifferenceInterval(lost: number, gained: number, n: number): readonly [number, number] {
  const Z95 = 1.959963984540054;
  const pLost = (lost + 1) / (n + 2);
  const pGained = (gained + 1) / (n + 2);
  const center = pGained - pLost;
  const half = Z95 * Math.sqrt((pGained + pLost - center * center) / (n + 2));
  return [Math.max(-1, center - half), Math.min(1, center + half)];
}
