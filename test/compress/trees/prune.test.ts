/** Pruning of trees that are there already: scikit-learn's paths and scores, and the other methods by hand-computed numbers and properties. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { collapse } from "../../../src/compress/trees/collapse.ts";
import { costComplexityCut, costComplexityPath } from "../../../src/compress/trees/cost-complexity.ts";
import { minimumErrorCut, normalQuantile, pessimisticCut, upperBound } from "../../../src/compress/trees/pessimistic.ts";
import { chooseAlpha, errorRate, reducedErrorCut, type Labelled } from "../../../src/compress/trees/validate.ts";
import { importTrees } from "../../../src/formats/tree/read.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { isLeaf, isTree, treeShape, treesOf, type Trees } from "../../../src/graph/tree.ts";
import { random } from "../../engines/generated.ts";
import { TEN, grow } from "./data.ts";

interface Reference {
  readonly tree: Readonly<Record<string, unknown>>;
  readonly alphas: readonly number[];
  readonly impurities: readonly number[];
  /** [alpha, nodes, depth, test accuracy] */
  readonly pruned?: readonly (readonly [number, number, number, number])[];
  /** Features of `test`, and the samples' values of them. */
  readonly features?: readonly number[];
  readonly test?: readonly (readonly number[])[];
  readonly labels?: readonly number[];
}

function reference(name: string): Reference & { readonly trees: Trees } {
  const text = readFileSync(new URL(`./sklearn/${name}.json`, import.meta.url), "utf8");
  const found = JSON.parse(text) as Reference;
  const graph = importTrees(found.tree, { name, evaluate: evaluateNode });
  return { ...found, trees: treesOf(graph, graph.nodes.find(isTree)!) };
}

const labelled = (rows: readonly (readonly number[])[], labels: readonly number[]): Labelled => ({
  count: rows.length,
  label: (i) => labels[i]!,
  sample: (i) => rows[i]!,
});

const prunedAt = (trees: Trees, alpha: number): Trees => collapse(trees, costComplexityCut(trees, alpha));

describe("cost-complexity pruning of ten samples", () => {
  const trees = grow(TEN.rows, TEN.labels, 2);
  const samples = labelled(TEN.rows, TEN.labels);

  it("walks scikit-learn's path", () => {
    const path = costComplexityPath(trees, 0);
    expect(path.map(({ leaves }) => leaves)).toEqual([6, 2, 1]);
    [0, 0.0714285714, 0.2142857143].forEach((alpha, i) => expect(path[i]!.alpha).toBeCloseTo(alpha, 10));
    [0, 0.2857142857, 0.5].forEach((impurity, i) => expect(path[i]!.impurity).toBeCloseTo(impurity, 10));
  });

  it("leaves scikit-learn's trees, an equal alpha pruning too", () => {
    const at = costComplexityPath(trees, 0).map(({ alpha }) => prunedAt(trees, alpha));
    expect(at.map((pruned) => [treeShape(pruned).nodes, treeShape(pruned).leaves])).toEqual([
      [11, 6],
      [3, 2],
      [1, 1],
    ]);
    expect(at.map((pruned) => 1 - errorRate(pruned, samples))).toEqual([1, 0.8, 0.5]);
    const below = costComplexityPath(trees, 0)[1]!.alpha - 1e-12;
    expect(treeShape(prunedAt(trees, below)).leaves).toBe(6);
  });
});

describe.each(["iris", "breast-cancer"])("cost-complexity pruning of scikit-learn's tree of %s", (name) => {
  const { trees, alphas, impurities, pruned, features, test, labels } = reference(name);

  it("walks its path", () => {
    const path = costComplexityPath(trees, 0);
    expect(path).toHaveLength(alphas.length);
    path.forEach(({ alpha, impurity }, i) => {
      expect(alpha).toBeCloseTo(alphas[i]!, 12);
      expect(impurity).toBeCloseTo(impurities[i]!, 12);
    });
  });

  it("leaves trees of its sizes and scores", () => {
    if (pruned === undefined || test === undefined || labels === undefined || features === undefined) return;
    const rows = test.map((row) => {
      const all = new Float32Array(30);
      features.forEach((f, i) => (all[f] = row[i]!));
      return Array.from(all);
    });
    for (const [alpha, nodes, depth, score] of pruned) {
      const at = prunedAt(trees, alpha);
      expect(treeShape(at)).toMatchObject({ nodes, depth });
      expect(1 - errorRate(at, labelled(rows, labels))).toBeCloseTo(score, 10);
    }
  });
});

describe("paths of random trees", () => {
  it("nest, and never fall; one node collapses at a time, the weakest", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const rand = random(seed);
      const rows = Array.from({ length: 120 }, () => Array.from({ length: 3 }, () => Math.floor(rand() * 6)));
      const labels = rows.map(() => Math.floor(rand() * 3));
      const trees = grow(rows, labels, 3);
      const path = costComplexityPath(trees, 0);
      expect(path.at(-1)!.leaves, `seed ${seed}`).toBe(1);
      path.slice(1).forEach((step, i) => {
        expect(step.alpha).toBeGreaterThanOrEqual(path[i]!.alpha);
        expect(step.impurity).toBeGreaterThanOrEqual(path[i]!.impurity);
        expect(step.leaves).toBeLessThan(path[i]!.leaves);
        expect(step.alpha, `seed ${seed}, step ${i}`).toBeCloseTo(
          weakest(
            trees,
            path.slice(1, i + 1).map(({ collapsed }) => collapsed!),
          ),
          10,
        );
      });
      const leaves = path.map(({ alpha }) => treeShape(prunedAt(trees, alpha)).leaves);
      leaves.slice(1).forEach((count, i) => expect(count).toBeLessThanOrEqual(leaves[i]!));
    }
  });
});

/** The least effective alpha of the tree in which some nodes are leaves already, by recursion. */
function weakest(trees: Trees, collapsed: readonly number[]): number {
  const { impurity, weight } = trees.statistics!;
  let least = Infinity;
  const visit = (node: number): { readonly risk: number; readonly leaves: number } => {
    const own = (weight[node]! * impurity[node]!) / weight[0]!;
    if (isLeaf(trees, node) || collapsed.includes(node)) return { risk: own, leaves: 1 };
    const [l, r] = [visit(trees.left[node]!), visit(trees.right[node]!)];
    const [risk, leaves] = [l.risk + r.risk, l.leaves + r.leaves];
    least = Math.min(least, (own - risk) / (leaves - 1));
    return { risk, leaves };
  };
  visit(0);
  return Math.max(0, least);
}

describe("the alpha by validation", () => {
  const rand = random(4);
  const make = (count: number): { rows: number[][]; labels: number[] } => {
    const rows = Array.from({ length: count }, () => [rand(), rand()].map(Math.fround));
    // One clean step, one label in five wrong.
    return { rows, labels: rows.map(([x]) => (x! > 0.5 ? 1 : 0) ^ (rand() < 0.2 ? 1 : 0)) };
  };
  const [train, fresh] = [make(300), make(300)];
  const trees = grow(train.rows, train.labels, 2);
  const samples = labelled(fresh.rows, fresh.labels);

  it("leaves the step alone, and is within a standard error of the best", () => {
    const chosen = chooseAlpha(trees, samples);
    const pruned = prunedAt(trees, chosen.alpha);
    expect(treeShape(pruned)).toMatchObject({ leaves: 2, depth: 1 });
    expect(pruned.threshold[0]).toBeCloseTo(0.5, 1);
    expect(chosen.error).toBe(errorRate(pruned, samples));
    expect(chosen.error).toBeLessThanOrEqual(chosen.leastError + chosen.standardError);
    expect(errorRate(trees, samples)).toBeGreaterThan(chosen.error);
  });

  it("reduces errors by reduced-error pruning, never adds any", () => {
    const pruned = collapse(trees, reducedErrorCut(trees, samples));
    expect(errorRate(pruned, samples)).toBeLessThanOrEqual(errorRate(trees, samples));
    expect(treeShape(pruned).leaves).toBeLessThan(treeShape(trees).leaves / 3);
    // What is left is needed: no further node can become a leaf.
    expect(reducedErrorCut(pruned, samples).includes(1)).toBe(false);
  });

  it("works on forests, tree by tree", () => {
    const forest = grow(train.rows, train.labels, 2, { trees: 5, maxDepth: 8 });
    const chosen = chooseAlpha(forest, samples);
    expect(errorRate(prunedAt(forest, chosen.alpha), samples)).toBe(chosen.error);
    expect(treeShape(prunedAt(forest, chosen.alpha)).trees).toBe(5);
  });
});

describe("pruning by the training samples", () => {
  it("has C4.5's bounds", () => {
    // Quinlan 1993, page 41: U25%(0, 6) = 0.206, U25%(0, 9) = 0.143, U25%(0, 1) = 0.750, U25%(1, 16) = 0.157 (exact binomial; the approximation is near).
    expect(upperBound(0, 6, 0.25)).toBeCloseTo(0.206, 3);
    expect(upperBound(0, 9, 0.25)).toBeCloseTo(0.143, 3);
    expect(upperBound(0, 1, 0.25)).toBeCloseTo(0.75, 3);
    expect(upperBound(1, 16, 0.25)).toBeCloseTo(0.157, 1);
    expect(upperBound(6, 6, 0.25)).toBe(1);
    expect(upperBound(0.5, 16, 0.25)).toBeGreaterThan(upperBound(0, 16, 0.25));
    expect(normalQuantile(0.75)).toBeCloseTo(0.6744897501960817, 10);
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 10);
  });

  const rand = random(8);
  const rows = Array.from({ length: 400 }, () => [rand(), rand()].map(Math.fround));
  const labels = rows.map(([x]) => (x! > 0.5 ? 1 : 0) ^ (rand() < 0.15 ? 1 : 0));
  const trees = grow(rows, labels, 2);

  it("is the stronger the less confidence, the larger m", () => {
    const leaves = (cut: Uint8Array): number => treeShape(collapse(trees, cut)).leaves;
    const byConfidence = [0.5, 0.25, 0.05, 0.001].map((cf) => leaves(pessimisticCut(trees, cf)));
    const byM = [0.01, 2, 20, 200].map((m) => leaves(minimumErrorCut(trees, m)));
    for (const list of [byConfidence, byM]) {
      list.slice(1).forEach((count, i) => expect(count).toBeLessThanOrEqual(list[i]!));
      expect(list[0]).toBeLessThanOrEqual(treeShape(trees).leaves);
      expect(list.at(-1)).toBeLessThan(20);
      expect(list.at(-1)).toBeGreaterThan(1);
    }
  });

  it("keeps splits that are certain", () => {
    const sure = grow(
      rows,
      rows.map(([x]) => (x! > 0.5 ? 1 : 0)),
      2,
    );
    expect(treeShape(collapse(sure, pessimisticCut(sure, 0.25))).leaves).toBe(2);
    expect(treeShape(collapse(sure, minimumErrorCut(sure, 2))).leaves).toBe(2);
  });
});
