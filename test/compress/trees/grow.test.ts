/** Growth: scikit-learn's vector, every split against a search by brute force, limits, forests. */
import { describe, expect, it } from "vitest";
import { midpoint } from "../../../src/compress/trees/columns.ts";
import type { CriterionName } from "../../../src/compress/trees/criteria.ts";
import { isLeaf, leafOf, treeShape, type Trees } from "../../../src/graph/tree.ts";
import { random } from "../../engines/generated.ts";
import { TEN, columnsOf, grow } from "./data.ts";

describe("the vector of ten samples", () => {
  const trees = grow(TEN.rows, TEN.labels, 2);

  it("gives scikit-learn's tree", () => {
    expect(treeShape(trees)).toMatchObject({ nodes: 11, leaves: 6 });
    expect(trees.threshold[0]).toBe(2.5);
    const inner = Array.from(trees.threshold).filter((_, i) => !isLeaf(trees, i));
    expect(inner).toEqual([2.5, 4.5, 3.5, 7.5, 8.5]);
  });

  it("fits its samples", () => {
    expect(accuracy(trees, TEN.rows, TEN.labels)).toBe(1);
  });

  it("knows what pruning needs", () => {
    expect(Array.from(trees.statistics!.weight).slice(0, 3)).toEqual([10, 3, 7]);
    expect(trees.statistics!.impurity[0]).toBe(0.5);
    expect(Array.from(trees.values.subarray(0, 2))).toEqual([0.5, 0.5]);
  });
});

function accuracy(trees: Trees, rows: readonly (readonly number[])[], labels: readonly number[]): number {
  const right = rows.filter((row, i) => {
    const leaf = leafOf(trees, trees.roots[0]!, row, 0);
    const scores = trees.values.subarray(leaf * trees.outputs, (leaf + 1) * trees.outputs);
    return scores.indexOf(Math.max(...scores)) === labels[i];
  });
  return right.length / rows.length;
}

/** Impurity of a list of labels, straight from the definition. */
function impurity(name: CriterionName, labels: readonly number[]): number {
  const shares = [...new Set(labels)].map((label) => labels.filter((l) => l === label).length / labels.length);
  if (name === "gini") return 1 - shares.reduce((sum, p) => sum + p * p, 0);
  if (name === "entropy") return -shares.reduce((sum, p) => sum + p * Math.log2(p), 0);
  const mean = labels.reduce((sum, l) => sum + l, 0) / labels.length;
  return labels.reduce((sum, l) => sum + (l - mean) ** 2, 0) / labels.length;
}

/** Least Σ weight × impurity that a split can reach. */
function leastCost(name: CriterionName, rows: readonly (readonly number[])[], labels: readonly number[], minLeaf: number): number {
  let least = Infinity;
  for (let f = 0; f < rows[0]!.length; f++) {
    for (const bound of new Set(rows.map((row) => row[f]!))) {
      const left = labels.filter((_, i) => rows[i]![f]! <= bound);
      const right = labels.filter((_, i) => rows[i]![f]! > bound);
      if (left.length < minLeaf || right.length < minLeaf) continue;
      least = Math.min(least, left.length * impurity(name, left) + right.length * impurity(name, right));
    }
  }
  return least;
}

describe.each<[CriterionName, number]>([
  ["gini", 3],
  ["entropy", 3],
  ["mse", 0],
])("splits by %s", (criterion, classes) => {
  it.each([
    [7, "few values, in bins"],
    [400, "many values, sorted"],
  ])("are the best there are: %s %s", (values) => {
    for (let seed = 1; seed <= 6; seed++) {
      const rand = random(seed);
      const count = values > 256 ? 300 : 40;
      const rows = Array.from({ length: count }, () => Array.from({ length: 3 }, () => Math.fround(Math.floor(rand() * values) / 8)));
      const labels = rows.map((row) => (classes === 0 ? row[0]! + rand() : Math.floor(rand() * classes)));
      const trees = grow(rows, labels, classes, { criterion, minSamplesLeaf: 3, maxDepth: 3 });
      const check = (node: number, members: readonly number[]): void => {
        const own = members.map((i) => labels[i]!);
        expect(trees.statistics!.impurity[node], `seed ${seed}`).toBeCloseTo(impurity(criterion, own), 10);
        expect(trees.statistics!.weight[node]).toBe(members.length);
        if (isLeaf(trees, node)) return;
        const goesLeft = (i: number): boolean => rows[i]![trees.feature[node]!]! <= trees.threshold[node]!;
        const [left, right] = [members.filter(goesLeft), members.filter((i) => !goesLeft(i))];
        expect(Math.min(left.length, right.length)).toBeGreaterThanOrEqual(3);
        const cost = [left, right].reduce(
          (sum, side) =>
            sum +
            side.length *
              impurity(
                criterion,
                side.map((i) => labels[i]!),
              ),
          0,
        );
        const least = leastCost(
          criterion,
          members.map((i) => rows[i]!),
          own,
          3,
        );
        expect(cost, `seed ${seed}, node ${node}`).toBeCloseTo(least, 8);
        check(trees.left[node]!, left);
        check(trees.right[node]!, right);
      };
      check(
        0,
        rows.map((_, i) => i),
      );
      expect(treeShape(trees).depth).toBeLessThanOrEqual(3);
    }
  });
});

describe("limits", () => {
  const rand = random(5);
  const rows = Array.from({ length: 200 }, () => [rand(), rand(), Math.floor(rand() * 4)].map(Math.fround));
  const labels = rows.map(([a, b]) => (a! > 0.5 ? 1 : 0) + (b! > 0.7 ? 1 : 0));

  it("of depth, samples and leaves hold", () => {
    expect(treeShape(grow(rows, labels, 3, { maxDepth: 0 }))).toMatchObject({ nodes: 1, leaves: 1 });
    expect(treeShape(grow(rows, labels, 3, { maxDepth: 1 }))).toMatchObject({ nodes: 3, depth: 1 });
    for (const weight of grow(rows, labels, 3, { minSamplesLeaf: 9 }).statistics!.weight) expect(weight).toBeGreaterThanOrEqual(9);
    const few = grow(rows, labels, 3, { minSamplesSplit: 50 });
    few.statistics!.weight.forEach((weight, i) => expect(weight >= 50 || isLeaf(few, i)).toBe(true));
    for (const maxLeaves of [1, 2, 3, 5]) expect(treeShape(grow(rows, labels, 3, { maxLeaves })).leaves).toBeLessThanOrEqual(maxLeaves);
  });

  it("of leaves take the splits that gain most first", () => {
    const gains = [2, 3, 4, 5].map((maxLeaves) => {
      const trees = grow(rows, labels, 3, { maxLeaves });
      const { impurity: all, weight } = trees.statistics!;
      return Array.from(all).reduce((sum, v, i) => sum + (isLeaf(trees, i) ? (weight[i]! * v) / 200 : 0), 0);
    });
    const steps = gains.slice(1).map((v, i) => gains[i]! - v);
    steps.slice(1).forEach((step, i) => expect(step).toBeLessThanOrEqual(steps[i]! + 1e-12));
  });

  it("of the decrease of impurity stop what gains less", () => {
    const noisy = labels.map((label) => (rand() < 0.2 ? 0 : label));
    const trees = grow(rows, noisy, 3, { minImpurityDecrease: 0.05 });
    expect(treeShape(trees).leaves).toBeLessThan(treeShape(grow(rows, noisy, 3)).leaves);
    expect(treeShape(trees).leaves).toBeGreaterThan(1);
  });

  it("where no feature varies, a leaf is left", () => {
    expect(treeShape(grow([[1], [1], [1]], [0, 1, 0], 2))).toMatchObject({ nodes: 1 });
  });
});

describe("forests", () => {
  const rand = random(9);
  const rows = Array.from({ length: 150 }, () => Array.from({ length: 9 }, () => Math.fround(rand())));
  const labels = rows.map((row) => (row[0]! + row[1]! > 1 ? 1 : 0));

  it("repeat with their seed and differ with another", () => {
    const settings = { trees: 4, seed: 3 };
    expect(grow(rows, labels, 2, settings)).toEqual(grow(rows, labels, 2, settings));
    expect(grow(rows, labels, 2, { trees: 4, seed: 4 }).threshold).not.toEqual(grow(rows, labels, 2, settings).threshold);
  });

  it("see a bootstrap each and try some features at a node", () => {
    const forest = grow(rows, labels, 2, { trees: 20, maxDepth: 1 });
    for (const root of forest.roots) expect(forest.statistics!.weight[root]).toBe(150);
    const first = new Set(Array.from(forest.roots, (root) => forest.feature[root]));
    expect(first.size).toBeGreaterThan(3);
  });
});

describe("values", () => {
  it("are ranked, both zeros as one", () => {
    const { values, ranks } = columnsOf([[0], [-0], [3], [-2], [3]]);
    expect(Array.from(values[0]!)).toEqual([-2, 0, 3]);
    expect(Array.from(ranks[0]!)).toEqual([1, 1, 2, 0, 2]);
  });

  it("keep their ranks beyond the first table", () => {
    const rand = random(1);
    const rows = Array.from({ length: 5000 }, () => [Math.fround(rand())]);
    const { values, ranks } = columnsOf(rows);
    rows.forEach(([x], i) => expect(values[0]![ranks[0]![i]!]).toBe(x));
    expect(values[0]!.every((v, i, all) => i === 0 || all[i - 1]! < v)).toBe(true);
  });

  it("are parted by thresholds below the higher one", () => {
    expect(midpoint(1, 2)).toBe(1.5);
    const next = 1 + 2 ** -23;
    expect(midpoint(1, next)).toBeGreaterThanOrEqual(1);
    expect(midpoint(1, next)).toBeLessThan(next);
    expect(midpoint(next, next + 2 ** -23)).toBeLessThan(next + 2 ** -23);
  });

  it("that are not finite are refused", () => {
    expect(() => columnsOf([[1], [NaN]])).toThrow(/sample 1, feature 0: got NaN/);
  });
});
