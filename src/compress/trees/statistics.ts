/** What pruning needs to know of nodes, counted from labelled samples: for trees from files that do not carry it. */
import { isLeaf, type Trees } from "../../graph/tree.ts";
import { impurityOf } from "./criteria.ts";
import type { Labelled } from "./validate.ts";

/**
 * The trees with weight, Gini impurity and class shares of every node as the samples have them; leaves keep their values. A node that no
 * sample reaches has weight 0 and the mean of its children's values.
 */
export function countStatistics(trees: Trees, samples: Labelled): Trees {
  const { feature, threshold, left, right, missing, outputs, roots } = trees;
  const n = left.length;
  const counts = new Float64Array(n * outputs);
  for (let s = 0; s < samples.count; s++) {
    const [x, label] = [samples.sample(s), samples.label(s)];
    for (const root of roots) {
      for (let node = root; ;) {
        counts[node * outputs + label]!++;
        if (left[node] === node) break;
        const value = x[feature[node]!]!;
        const goesLeft = value <= threshold[node]! || (Number.isNaN(value) && missing?.[node] === 1);
        node = goesLeft ? left[node]! : right[node]!;
      }
    }
  }
  const weight = new Float64Array(n);
  const impurity = new Float64Array(n);
  const values = trees.values.slice();
  for (let i = n - 1; i >= 0; i--) {
    const sums = counts.subarray(i * outputs, (i + 1) * outputs);
    const total = sums.reduce((sum, count) => sum + count, 0);
    weight[i] = total;
    impurity[i] = impurityOf("gini", { weight: total, sums });
    if (isLeaf(trees, i)) continue;
    for (let c = 0; c < outputs; c++) {
      const mean = (values[left[i]! * outputs + c]! + values[right[i]! * outputs + c]!) / 2;
      values[i * outputs + c] = total === 0 ? mean : sums[c]! / total;
    }
  }
  return { ...trees, values, statistics: { impurity, weight } };
}
