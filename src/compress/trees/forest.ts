/**
 * A tree, or a forest: trees that each see a bootstrap of the samples and some features at each node (Breiman 2001), their scores averaged.
 * Seeded: the same data, settings and seed give the same trees on every machine.
 */
import { mulberry32 } from "../../data/random.ts";
import type { Trees } from "../../graph/tree.ts";
import type { Columns } from "./columns.ts";
import { growTree, type GrowthSettings, type GrownTree } from "./grow.ts";

export interface ForestSettings extends GrowthSettings {
  /** 1: a tree of all samples; above: a forest. */
  readonly trees: number;
  readonly seed: number;
}

/**
 * @param labels class or target of each sample
 * @param classes 0: a regression
 * @param onTree called after each tree
 */
export function growForest(
  columns: Columns,
  labels: ArrayLike<number>,
  classes: number,
  settings: ForestSettings,
  onTree?: (done: number) => void,
): Trees {
  const { trees, seed, maxFeatures } = settings;
  // As usual: the root of the number of features for classes, all of them for a regression.
  const some = classes === 0 ? columns.features : Math.max(1, Math.floor(Math.sqrt(columns.features)));
  const perNode = maxFeatures ?? (trees === 1 ? columns.features : some);
  const grown: GrownTree[] = [];
  for (let t = 0; t < trees; t++) {
    // Far apart, so that forests of neighbouring seeds share no tree.
    const random = mulberry32(Math.imul(seed, 0x9e3779b1) + Math.imul(t, 0x85ebca6b));
    const weights = trees === 1 ? new Uint16Array(columns.samples).fill(1) : bootstrap(columns.samples, random);
    const order = Int32Array.from({ length: columns.samples }, (_, i) => i).filter((i) => weights[i]! > 0);
    grown.push(growTree({ columns, labels, weights, classes }, order, { ...settings, maxFeatures: perNode }, random));
    onTree?.(t + 1);
  }
  return joinTrees(grown);
}

function bootstrap(samples: number, random: () => number): Uint16Array {
  const weights = new Uint16Array(samples);
  for (let i = 0; i < samples; i++) weights[Math.floor(random() * samples)]!++;
  return weights;
}

/** Trees one behind the other in one set of arrays. */
export function joinTrees(grown: readonly GrownTree[]): Trees {
  const roots: number[] = [];
  let count = 0;
  for (const { left } of grown) {
    roots.push(count);
    count += left.length;
  }
  const moved = (list: (tree: GrownTree) => readonly number[]): Int32Array =>
    Int32Array.from(grown.flatMap((tree, t) => list(tree).map((node) => node + roots[t]!)));
  const flat = (list: (tree: GrownTree) => readonly number[]): readonly number[] => grown.flatMap(list);
  return {
    feature: Int32Array.from(flat((tree) => tree.feature)),
    threshold: Float32Array.from(flat((tree) => tree.threshold)),
    left: moved((tree) => tree.left),
    right: moved((tree) => tree.right),
    values: Float32Array.from(grown.flatMap((tree) => tree.values.flat())),
    outputs: grown[0]!.values[0]!.length,
    roots: Int32Array.from(roots),
    statistics: {
      impurity: Float64Array.from(flat((tree) => tree.impurity)),
      weight: Float64Array.from(flat((tree) => tree.weight)),
    },
  };
}
