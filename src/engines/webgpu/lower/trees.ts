/** Decision trees: one alone by its outputs, several in two passes, leaves and then sums. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { NodeWith } from "../../../graph/ir.ts";
import { treeShape, treesOf } from "../../../graph/tree.ts";
import { packTrees, type PackedTrees } from "../../tree-pack.ts";
import { f, u } from "../step.ts";
import type { Operand } from "../step.ts";
import type { Lowering } from "./context.ts";

export function lowerTrees(c: Lowering, node: NodeWith<"TreeEnsemble">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const [samples = 0, features = 0] = x.shape;
  const trees = treesOf(c.graph, node);
  const packed = packTrees(trees);
  const { roots, outputs } = packed;
  const { depth } = treeShape(trees);
  const nodes = c.constant("nodes", nodeWords(packed));
  const values = c.constant("values", packed.values);
  const threads = elementCount(out.shape);
  if (roots.length === 1) {
    const params = u(threads, outputs, features, depth, roots[0]!);
    c.flat({ kernel: "f32_trees_single_1x1__wgsl", params, inputs: [c.operand(x), nodes, values], output: out, threads });
    return;
  }
  const count = samples * roots.length;
  const leaves = c.scratch("leaves", count);
  const inputs = [c.operand(x), nodes, c.constant("roots", roots)];
  c.flat({ kernel: "f32_trees_leaves_1x1__wgsl", params: u(count, roots.length, features, depth), inputs, output: leaves, threads: count });
  const factor = node.attrs.aggregate === "average" ? 1 / roots.length : 1;
  const found: Operand = { kind: "tensor", name: leaves };
  const params = [...u(threads, roots.length, outputs), ...f(factor)];
  c.flat({ kernel: "f32_trees_sum_1x1__wgsl", params, inputs: [found, values], output: out, threads });
}

/** Nodes as common/trees.wgsl reads them. */
function nodeWords({ feature, threshold, right, missing }: PackedTrees): Uint32Array {
  const words = new Uint32Array(feature.length * 4);
  const bits = new Int32Array(threshold.buffer, threshold.byteOffset, threshold.length);
  feature.forEach((asked, i) => {
    if (asked < 0) {
      words.set([0, right[i]!, i, i], i * 4);
      return;
    }
    const ordered = bits[i]! < 0 ? bits[i]! ^ 0x7fffffff : bits[i]!;
    words.set([(asked | ((missing?.[i] ?? 0) << 31)) >>> 0, ordered >>> 0, i + 1, right[i]!], i * 4);
  });
  return words;
}
