/** Generated decision trees: every count of samples, trees and outputs around the tiles, chains, full trees and single leaves. */
import type { CaseTensor, OpCase } from "./vectors.ts";
import { random } from "./generated.ts";

/** Arrays of a TreeEnsemble under construction. */
export interface RandomTrees {
  readonly feature: number[];
  readonly threshold: number[];
  readonly left: number[];
  readonly right: number[];
  readonly roots: number[];
}

/** @param shape `chain`: every left child is a leaf; `full`: all leaves at `depth`; `wild`: any */
export function randomTrees(
  rand: () => number,
  count: number,
  features: number,
  depth: number,
  shape: "chain" | "full" | "wild",
): RandomTrees {
  const trees: RandomTrees = { feature: [], threshold: [], left: [], right: [], roots: [] };
  const { feature, threshold, left, right } = trees;
  const node = (): number => {
    const at = feature.length;
    feature.push(0);
    threshold.push(0);
    left.push(at);
    right.push(at);
    return at;
  };
  for (let t = 0; t < count; t++) {
    const root = node();
    trees.roots.push(root);
    // Breadth first, so that children do not simply follow their parents.
    const open = [{ at: root, level: 0 }];
    for (let next = open.shift(); next !== undefined; next = open.shift()) {
      const { at, level } = next;
      if (level >= depth || (shape === "wild" && rand() < 0.25)) continue;
      feature[at] = Math.floor(rand() * features);
      threshold[at] = Math.fround(Math.round(rand() * 16 - 8) / 4);
      left[at] = node();
      right[at] = node();
      if (shape !== "chain") open.push({ at: left[at], level: level + 1 });
      open.push({ at: right[at], level: level + 1 });
    }
  }
  return trees;
}

export function treeInputs(trees: RandomTrees, values: Float32Array, outputs: number, missing?: Uint8Array): CaseTensor[] {
  const constant = (dtype: CaseTensor["dtype"], data: CaseTensor["data"], shape = [data.length]): CaseTensor => ({
    dtype,
    shape,
    data,
    constant: true,
  });
  return [
    constant("int32", Int32Array.from(trees.feature)),
    constant("float32", Float32Array.from(trees.threshold)),
    constant("int32", Int32Array.from(trees.left)),
    constant("int32", Int32Array.from(trees.right)),
    constant("float32", values, [values.length / outputs, outputs]),
    constant("int32", Int32Array.from(trees.roots)),
    ...(missing === undefined ? [] : [constant("uint8", missing)]),
  ];
}

export function treeCases(): OpCase[] {
  const cases: OpCase[] = [];
  let seed = 4000;
  for (const [samples, count, outputs, depth, shape] of [
    [1, 1, 1, 3, "full"],
    [1, 1, 10, 12, "chain"],
    [1, 31, 10, 6, "wild"],
    [1, 65, 3, 4, "wild"],
    [1, 257, 2, 3, "wild"],
    [3, 2, 2, 5, "wild"],
    [4, 3, 3, 0, "wild"],
    [5, 4, 10, 4, "full"],
    [7, 5, 1, 5, "wild"],
    [64, 1, 4, 7, "wild"],
    [67, 17, 11, 7, "wild"],
    [3, 33, 67, 3, "wild"],
  ] as const) {
    for (const missing of [false, true]) {
      for (const aggregate of ["sum", "average"] as const) {
        const rand = random(++seed);
        const features = 1 + Math.floor(rand() * 9);
        const trees = randomTrees(rand, count, features, depth, shape);
        const nodes = trees.feature.length;
        // Inputs meet thresholds exactly now and then.
        const x = Float32Array.from({ length: samples * features }, () => Math.round(rand() * 16 - 8) / 4);
        if (missing) x.forEach((_, i) => rand() < 0.2 && (x[i] = NaN));
        const values = Float32Array.from({ length: nodes * outputs }, () => rand());
        const sides = missing ? Uint8Array.from({ length: nodes }, () => Math.round(rand())) : undefined;
        cases.push({
          op: "TreeEnsemble",
          name: `${samples} samples, ${count} trees of ${outputs} outputs, ${shape} to depth ${depth}, ${aggregate}${missing ? ", NaN" : ""}, seed ${seed}`,
          attrs: { aggregate, task: "regression" },
          inputs: [{ dtype: "float32", shape: [samples, features], data: x }, ...treeInputs(trees, values, outputs, sides)],
          output: { dtype: "float32", shape: [samples, outputs] },
        });
      }
    }
  }
  return cases;
}
