/**
 * Pruning by samples that the trees have not seen: reduced-error pruning (Quinlan 1987), and the alpha of cost-complexity pruning by the
 * one-standard-error rule (Breiman et al. 1984): the smallest trees whose error is within one standard error of the least.
 */
import { isLeaf, leafOf, type Trees } from "../../graph/tree.ts";
import { collapse, collapseUpwards } from "./collapse.ts";
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
  const winners = Int32Array.from({ length: left.length }, (_, i) => winner(trees, i));
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

/** Class with the largest value at a node; the first of equals. */
function winner({ values, outputs }: Trees, node: number): number {
  let best = 0;
  for (let c = 1; c < outputs; c++) if (values[node * outputs + c]! > values[node * outputs + best]!) best = c;
  return best;
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
  const errors = alphas.map((alpha) => errorOf(trees, alpha, samples));
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

/** Share of the samples that the pruned trees misclassify together. */
function errorOf(trees: Trees, alpha: number, samples: Labelled): number {
  const cut = new Uint8Array(trees.left.length);
  for (const root of trees.roots) {
    for (const { collapsed } of costComplexityPath(trees, root, alpha)) if (collapsed !== undefined) cut[collapsed] = 1;
  }
  return errorRate(collapse(trees, cut), samples);
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
    let best = 0;
    for (let c = 1; c < outputs; c++) if (scores[c]! > scores[best]!) best = c;
    if (best !== label(s)) wrong++;
  }
  return count === 0 ? 0 : wrong / count;
}

/** Whether every node knows what it would say as a leaf; ONNX files keep values of leaves alone. */
export function hasNodeValues(trees: Trees): boolean {
  return trees.statistics !== undefined || trees.roots.every((root) => isLeaf(trees, root));
}
