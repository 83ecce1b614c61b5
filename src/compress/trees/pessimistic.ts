/**
 * Pruning by the training samples alone: pessimistic pruning as in C4.5 (Quinlan 1993), which takes the upper end of a confidence interval
 * of the error at each node for its error, and minimum-error pruning (Cestnik and Bratko 1991), which estimates errors with m samples of
 * the root's class distribution mixed in.
 */
import type { Trees } from "../../graph/tree.ts";
import { collapseUpwards } from "./collapse.ts";

/** @param confidence 0 < CF ≤ 0.5; less prunes more; C4.5 takes 0.25 */
export function pessimisticCut(trees: Trees, confidence: number): Uint8Array {
  const { values, outputs, statistics } = trees;
  if (statistics === undefined) throw new Error("internal: pessimistic pruning without statistics");
  return collapseUpwards(trees, (node) => {
    const weight = statistics.weight[node]!;
    // Shares are float32: whole numbers of errors come back by rounding.
    const errors = Math.round(weight * (1 - largest(values, node, outputs)) * 1024) / 1024;
    return weight * upperBound(errors, weight, confidence);
  });
}

/** @param m how many samples of the root's distribution count */
export function minimumErrorCut(trees: Trees, m: number): Uint8Array {
  const { values, outputs, statistics, roots } = trees;
  if (statistics === undefined) throw new Error("internal: minimum-error pruning without statistics");
  const rootOf = new Int32Array(trees.left.length);
  for (const root of roots) rootOf[root] = root;
  trees.left.forEach((left, i) => {
    if (left === i) return;
    rootOf[left] = rootOf[i]!;
    rootOf[trees.right[i]!] = rootOf[i]!;
  });
  return collapseUpwards(trees, (node) => {
    const weight = statistics.weight[node]!;
    let most = 0;
    for (let c = 0; c < outputs; c++) {
      const prior = values[rootOf[node]! * outputs + c]!;
      most = Math.max(most, (weight * values[node * outputs + c]! + m * prior) / (weight + m));
    }
    return weight * (1 - most);
  });
}

function largest(values: Float32Array, node: number, outputs: number): number {
  let most = 0;
  for (let c = 0; c < outputs; c++) most = Math.max(most, values[node * outputs + c]!);
  return most;
}

/**
 * The error rate p at which `errors` or fewer of n samples would still happen with probability CF (C4.5's U_CF(E, N)): exact for no
 * error, else the normal approximation with continuity correction, as C4.5 computes it; linear between 0 and 1 errors.
 */
export function upperBound(errors: number, n: number, confidence: number): number {
  if (n === 0) return 0;
  const none = 1 - confidence ** (1 / n);
  if (errors < 1e-9) return none;
  if (errors < 1) return none + errors * (upperBound(1, n, confidence) - none);
  if (errors + 0.5 >= n) return 1;
  const z = normalQuantile(1 - confidence);
  const f = (errors + 0.5) / n;
  const root = z * Math.sqrt(f / n - (f * f) / n + (z * z) / (4 * n * n));
  return (f + (z * z) / (2 * n) + root) / (1 + (z * z) / n);
}

/** Inverse of the standard normal distribution by bisection of its integral's series; 12 digits. */
export function normalQuantile(p: number): number {
  let [low, high] = [-9, 9];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (normalShare(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Share of a standard normal distribution below z: the Taylor series of its density about 0. */
function normalShare(z: number): number {
  let term = z;
  let sum = z;
  for (let k = 1; k < 200; k++) {
    term *= (z * z) / (2 * k + 1);
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
}
