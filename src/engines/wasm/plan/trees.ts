/** Decision trees: four trees side by side for a few samples, four samples side by side for more. */
import { requireInput, outputTensor } from "../../../graph/access.ts";
import { treeShape, treesOf } from "../../../graph/tree.ts";
import { packTrees, type PackedTrees } from "../../tree-pack.ts";
import type { NodePlan, Planner } from "../program.ts";
import { splitRows } from "./split.ts";
import type { Range } from "./split.ts";

const NODE_WORDS = 4;
/** Comparisons of one thread in a microsecond, four walks side by side. */
const RATE_TREES = 400;

export const planTrees: Planner<"TreeEnsemble"> = (context, node): NodePlan | undefined => {
  const x = requireInput(context.graph, node, 0);
  const out = outputTensor(context.graph, node);
  const [samples = 0, features = 0] = x.shape;
  if (samples === 0 || features === 0) return undefined;
  const trees = treesOf(context.graph, node);
  const packed = packTrees(trees);
  const { roots, values, outputs, missing } = packed;
  const kernel = samples >= 4 ? "f32_trees_walk_4x1__wasm_simd" : "f32_trees_walk_1x4__wasm_simd";
  const factor = node.attrs.aggregate === "average" ? 1 / roots.length : 1;
  const shared = [
    context.weights(nodeRecords(packed)),
    context.weights(roots.map((root) => root * NODE_WORDS * 4)),
    roots.length,
    context.weights(values),
    outputs,
    context.table(Float32Array.of(factor)),
    missing === undefined ? 0 : 1,
  ];
  const [from, to] = [context.address(x), context.address(out)];
  const args = (rows: Range): readonly number[] => [
    ...[from + rows.from * features * 4, to + rows.from * outputs * 4, rows.to - rows.from, features * 4],
    ...shared,
  ];
  const cost = (samples * roots.length * (1 + treeShape(trees).depth / 2)) / RATE_TREES;
  return { kernel, calls: () => [{ kernel, args: args({ from: 0, to: samples }), split: splitRows(samples, cost, args) }] };
};

/** Nodes as assembly/trees.ts reads them. */
function nodeRecords({ feature, threshold, right, missing, outputs }: PackedTrees): Int32Array {
  const words = new Int32Array(feature.length * NODE_WORDS);
  const floats = new Float32Array(words.buffer);
  feature.forEach((f, i) => {
    const at = i * NODE_WORDS;
    if (f < 0) {
      words.set([0, right[i]! * outputs * 4, at * 4, at * 4], at);
      return;
    }
    words[at] = f * 4 + (missing?.[i] ?? 0);
    floats[at + 1] = threshold[i]!;
    words[at + 2] = (i + 1) * NODE_WORDS * 4;
    words[at + 3] = right[i]! * NODE_WORDS * 4;
  });
  return words;
}
