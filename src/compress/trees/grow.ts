/**
 * CART: a tree grown by always taking the split that lowers impurity most (Breiman, Friedman, Olshen, Stone 1984), with the limits and
 * the order of scikit-learn: depth first, or, where the number of leaves is limited, the node first whose split gains most.
 */
import type { Random } from "../../data/random.ts";
import { impurityOf, makeCriterion, type CriterionName, type NodeSums } from "./criteria.ts";
import { Splitter, type Split, type Task } from "./split.ts";

export interface GrowthLimits {
  readonly maxDepth?: number;
  /** Fewest samples of a node that is split; default 2. */
  readonly minSamplesSplit?: number;
  /** Fewest samples of a child; default 1. */
  readonly minSamplesLeaf?: number;
  readonly maxLeaves?: number;
  /** Least decrease of impurity, weighted by the node's share of all samples; default 0. */
  readonly minImpurityDecrease?: number;
  /** Features tried at a node; default all. */
  readonly maxFeatures?: number;
}

export interface GrowthSettings extends GrowthLimits {
  readonly criterion: CriterionName;
}

/** One tree, a leaf its own child, children behind their parents. */
export interface GrownTree {
  readonly feature: number[];
  readonly threshold: number[];
  readonly left: number[];
  readonly right: number[];
  readonly impurity: number[];
  readonly weight: number[];
  /** Shares of classes, or the mean. */
  readonly values: number[][];
}

/** Impurities below this are rounding. */
const EPSILON = 2 ** -52;

/** Samples of a node that has no number yet. */
interface Part {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
  /** Features that varied at the parent. */
  readonly candidates: Int32Array;
}

interface OpenNode extends Part {
  readonly at: number;
  readonly sums: NodeSums;
  readonly impurity: number;
}

/** @param order samples to grow from; reordered @param random draws features where not all are tried */
export function growTree(task: Task, order: Int32Array, settings: GrowthSettings, random: Random): GrownTree {
  return new Growth(task, order, settings, random).run();
}

class Growth {
  readonly #task: Task;
  readonly #order: Int32Array;
  readonly #settings: GrowthSettings;
  readonly #splitter: Splitter;
  readonly #total: number;
  readonly #tree: GrownTree = { feature: [], threshold: [], left: [], right: [], impurity: [], weight: [], values: [] };
  readonly #buffer: Int32Array;

  constructor(task: Task, order: Int32Array, settings: GrowthSettings, random: Random) {
    this.#task = task;
    this.#order = order;
    this.#settings = settings;
    this.#total = order.reduce((sum, sample) => sum + task.weights[sample]!, 0);
    const { minSamplesLeaf = 1, maxFeatures = task.columns.features } = settings;
    const criterion = makeCriterion(settings.criterion, task.classes, this.#total);
    this.#splitter = new Splitter(task, criterion, { minSamplesLeaf, maxFeatures }, random);
    this.#buffer = new Int32Array(order.length);
  }

  run(): GrownTree {
    const { columns } = this.#task;
    const candidates = Int32Array.from({ length: columns.features }, (_, f) => f).filter((f) => columns.values[f]!.length > 1);
    const root: Part = { start: 0, end: this.#order.length, depth: 0, candidates };
    if (this.#settings.maxLeaves === undefined) this.#depthFirst(root);
    else this.#bestFirst(root, this.#settings.maxLeaves);
    return this.#tree;
  }

  /** Numbers nodes in preorder. */
  #depthFirst(root: Part): void {
    const open: { readonly part: Part; readonly children?: number[]; readonly parent?: number }[] = [{ part: root }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const node = this.#node(next.part);
      if (next.children !== undefined) next.children[next.parent!] = node.at;
      const split = this.#split(node);
      if (split === undefined) continue;
      const [left, right] = this.#divide(node, split);
      const parent = node.at;
      open.push({ part: right, children: this.#tree.right, parent }, { part: left, children: this.#tree.left, parent });
    }
  }

  #bestFirst(root: Part, maxLeaves: number): void {
    const open: { readonly node: OpenNode; readonly split: Split; readonly gain: number }[] = [];
    const consider = (node: OpenNode): void => {
      const split = this.#split(node);
      if (split !== undefined) open.push({ node, split, gain: this.#gain(node, split) });
    };
    consider(this.#node(root));
    for (let leaves = 1; leaves < maxLeaves && open.length > 0; leaves++) {
      let best = 0;
      for (let i = 1; i < open.length; i++) if (open[i]!.gain > open[best]!.gain) best = i;
      const { node, split } = open.splice(best, 1)[0]!;
      const [left, right] = this.#divide(node, split).map((part) => this.#node(part)) as [OpenNode, OpenNode];
      this.#tree.left[node.at] = left.at;
      this.#tree.right[node.at] = right.at;
      consider(left);
      consider(right);
    }
  }

  /** Writes the split into the node and divides its samples. */
  #divide(node: OpenNode, split: Split): readonly [Part, Part] {
    this.#tree.feature[node.at] = split.feature;
    this.#tree.threshold[node.at] = split.threshold;
    const middle = this.#partition(node, split);
    const half = { depth: node.depth + 1, candidates: split.varying };
    return [
      { ...half, start: node.start, end: middle },
      { ...half, start: middle, end: node.end },
    ];
  }

  /** The split of a node that limits and samples allow. */
  #split(node: OpenNode): Split | undefined {
    const { maxDepth = Infinity, minSamplesSplit = 2, minSamplesLeaf = 1, minImpurityDecrease = 0 } = this.#settings;
    const samples = node.end - node.start;
    if (node.depth >= maxDepth || samples < minSamplesSplit || samples < 2 * minSamplesLeaf || node.impurity <= EPSILON) return undefined;
    const split = this.#splitter.best(this.#order.subarray(node.start, node.end), node.sums, node.candidates);
    return split === undefined || this.#gain(node, split) + EPSILON < minImpurityDecrease ? undefined : split;
  }

  #gain({ sums: { weight }, impurity }: OpenNode, { leftWeight, leftImpurity, rightImpurity }: Split): number {
    const rightWeight = weight - leftWeight;
    return (weight / this.#total) * (impurity - (rightWeight / weight) * rightImpurity - (leftWeight / weight) * leftImpurity);
  }

  /** Adds a leaf. */
  #node(part: Part): OpenNode {
    const sums = this.#sums(part);
    const impurity = impurityOf(this.#settings.criterion, sums);
    const at = this.#tree.left.length;
    const { feature, threshold, left, right, weight, values } = this.#tree;
    feature.push(0);
    threshold.push(0);
    left.push(at);
    right.push(at);
    weight.push(sums.weight);
    this.#tree.impurity.push(impurity);
    values.push(this.#task.classes === 0 ? [sums.sums[0]! / sums.weight] : Array.from(sums.sums, (sum) => sum / sums.weight));
    return { ...part, at, sums, impurity };
  }

  #sums({ start, end }: Part): NodeSums {
    const { labels, weights, classes } = this.#task;
    const sums = new Float64Array(classes === 0 ? 2 : classes);
    let weight = 0;
    for (let i = start; i < end; i++) {
      const sample = this.#order[i]!;
      const [label, w] = [labels[sample]!, weights[sample]!];
      weight += w;
      if (classes > 0) sums[label]! += w;
      else {
        sums[0]! += w * label;
        sums[1]! += w * label * label;
      }
    }
    return { weight, sums };
  }

  /** Left samples to the front, in their order. @returns where the right ones begin */
  #partition({ start, end }: Part, { feature, rank }: Split): number {
    const ranks = this.#task.columns.ranks[feature]!;
    const order = this.#order;
    let middle = start;
    let kept = 0;
    for (let i = start; i < end; i++) {
      const sample = order[i]!;
      if (ranks[sample]! <= rank) order[middle++] = sample;
      else this.#buffer[kept++] = sample;
    }
    order.set(this.#buffer.subarray(0, kept), middle);
    return middle;
  }
}
