/**
 * Pruning by samples that the trees have not seen: reduced-error pruning (Quinlan 1987), and the alpha of cost-complexity pruning by the
 * one-standard-error rule (Breiman et al. 1984): the smallest trees whose error is within one standard error of the least.
 */
import { leafOf, type Trees } from "../../graph/tree.ts";
import { collapseUpwards } from "./collapse.ts";
import { costComplexityPath } from "./cost-complexity.ts";

export interface Labelled {
  readonly count: number;
  /** Class of a sample. */
  readonly label: (i: number) => number;
  /** Its features. */
  readonly sample: (i: number) => ArrayLike<number>;
}

/** Nodes that become leaves, since with them as leaves no more of the samples are misclassified. Each tree for itself. */
export function reducedErrorCut(trees: Trees, samples: Labelled): Uint8Array {
  const errors = nodeErrors(trees, samples);
  return collapseUpwards(trees, (node) => errors[node]!);
}

/** Of the samples that reach a node, how many it would misclassify as a leaf. */
function nodeErrors(trees: Trees, { count, label, sample }: Labelled): Float64Array {
  const { feature, threshold, left, right, missing } = trees;
  const winners = Int32Array.from({ length: left.length }, (_, i) => largestOf(trees.values, i * trees.outputs, trees.outputs));
  const errors = new Float64Array(left.length);
  for (let s = 0; s < count; s++) {
    const [x, wanted] = [sample(s), label(s)];
    for (const root of trees.roots) {
      for (let node = root; ;) {
        if (winners[node] !== wanted) errors[node]!++;
        if (left[node] === node) break;
        const value = x[feature[node]!]!;
        const goesLeft = value <= threshold[node]! || (Number.isNaN(value) && missing?.[node] === 1);
        node = goesLeft ? left[node]! : right[node]!;
      }
    }
  }
  return errors;
}

/** A forest's path in as many steps at most; a tree's is taken whole up to here. */
const MOST_ALPHAS = 100;

export interface ChosenAlpha {
  readonly alpha: number;
  /** Share of the samples misclassified at that alpha, and at the alpha with the fewest. */
  readonly error: number;
  readonly leastError: number;
  readonly standardError: number;
}

/**
 * The largest alpha of the path whose error on the samples is at most one standard error above the least. Candidates lie between the
 * path's alphas, at their geometric means, as Breiman has it.
 */
export function chooseAlpha(trees: Trees, samples: Labelled): ChosenAlpha {
  const alphas = candidates(trees);
  const errors = errorsAt(trees, alphas, samples);
  const least = Math.min(...errors);
  const standardError = Math.sqrt((least * (1 - least)) / samples.count);
  const at = errors.findLastIndex((error) => error <= least + standardError);
  return { alpha: alphas[at]!, error: errors[at]!, leastError: least, standardError };
}

function candidates(trees: Trees): readonly number[] {
  const all = new Set<number>();
  for (const root of trees.roots) for (const { alpha } of costComplexityPath(trees, root)) all.add(alpha);
  const sorted = Float64Array.from(all).sort();
  const between = Array.from(sorted, (alpha, i) => (i + 1 < sorted.length ? Math.sqrt(alpha * sorted[i + 1]!) : alpha));
  if (between.length <= MOST_ALPHAS) return between;
  // Evenly over the path.
  return Array.from({ length: MOST_ALPHAS }, (_, k) => between[Math.round((k * (between.length - 1)) / (MOST_ALPHAS - 1))]!);
}

/**
 * Share of the samples that the trees misclassify together at each alpha, ascending. Every sample goes down the whole trees once: at an alpha
 * it ends in the first node on its way that has become a leaf by then.
 */
function errorsAt(trees: Trees, alphas: readonly number[], { count, label, sample }: Labelled): readonly number[] {
  const { feature, threshold, left, right, missing, values, outputs, roots } = trees;
  const leafFrom = new Float64Array(left.length).fill(Infinity);
  for (const root of roots) {
    for (const { alpha, collapsed } of costComplexityPath(trees, root)) if (collapsed !== undefined) leafFrom[collapsed] = alpha;
  }
  const wrong = new Float64Array(alphas.length);
  const scores = new Float64Array(alphas.length * outputs);
  for (let s = 0; s < count; s++) {
    const x = sample(s);
    scores.fill(0);
    for (const root of roots) {
      let from = alphas.length;
      for (let node = root; from > 0;) {
        // From which alpha on it is a leaf; those above end here, unless a node higher up ended them.
        const leaf = left[node] === node;
        let first = from;
        while (first > 0 && (leaf || leafFrom[node]! <= alphas[first - 1]!)) first--;
        for (let k = first; k < from; k++) for (let c = 0; c < outputs; c++) scores[k * outputs + c]! += values[node * outputs + c]!;
        from = first;
        if (leaf) break;
        const value = x[feature[node]!]!;
        const goesLeft = value <= threshold[node]! || (Number.isNaN(value) && missing?.[node] === 1);
        node = goesLeft ? left[node]! : right[node]!;
      }
    }
    const wanted = label(s);
    for (let k = 0; k < alphas.length; k++) if (largestOf(scores, k * outputs, outputs) !== wanted) wrong[k]!++;
  }
  return Array.from(wrong, (errors) => (count === 0 ? 0 : errors / count));
}

/** Position of the largest of `count` values from `start`, relative to it; the first of equals. */
function largestOf(values: ArrayLike<number>, start: number, count: number): number {
  let best = 0;
  for (let c = 1; c < count; c++) if (values[start + c]! > values[start + best]!) best = c;
  return best;
}

/** Share of the samples for which another class than the label has the largest sum of leaves. */
export function errorRate(trees: Trees, { count, label, sample }: Labelled): number {
  const { outputs, values, roots } = trees;
  const scores = new Float64Array(outputs);
  let wrong = 0;
  for (let s = 0; s < count; s++) {
    const x = sample(s);
    scores.fill(0);
    for (const root of roots) {
      const leaf = leafOf(trees, root, x, 0);
      for (let c = 0; c < outputs; c++) scores[c]! += values[leaf * outputs + c]!;
    }
    if (largestOf(scores, 0, outputs) !== label(s)) wrong++;
  }
  return count === 0 ? 0 : wrong / count;
}
