/** Decision trees: one walk a sample and tree, float32 comparisons, sums in doubles. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { treesOf } from "../../../graph/tree.ts";
import { packTrees, type PackedTrees } from "../../tree-pack.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";

export function createTreeEnsemble({ graph, node, scratch }: KernelContext<"TreeEnsemble">): CpuKernel {
  const packed = packTrees(treesOf(graph, node));
  const [samples = 0, features = 0] = requireInput(graph, node, 0).shape;
  const outputs = outputTensor(graph, node).shape[1]!;
  scratch.reserve(outputs * 8);
  const divisor = node.attrs.aggregate === "average" ? packed.roots.length : 1;
  const { feature, threshold, right, missing, values, roots } = packed;
  const arrays = [feature, threshold, right, values, roots, ...(missing ? [missing] : [])];
  return {
    name: "f32_trees_walk__cpu",
    weightBytes: arrays.reduce((sum, array) => sum + array.byteLength, 0),
    packedInputs: node.inputs.map((_, i) => i).slice(1),
    run(inputs, output) {
      const x = inputs[0] as Float32Array;
      const acc = scratch.doubles;
      for (let i = 0; i < samples; i++) {
        for (let c = 0; c < outputs; c++) acc[c] = 0;
        for (let t = 0; t < roots.length; t++) {
          const row = walk(packed, roots[t]!, x, i * features) * outputs;
          for (let c = 0; c < outputs; c++) acc[c] = acc[c]! + values[row + c]!;
        }
        for (let c = 0; c < outputs; c++) output[i * outputs + c] = acc[c]! / divisor;
      }
    },
  };
}

/** Row of `values` that a sample ends in. */
function walk({ feature, threshold, right, missing }: PackedTrees, root: number, x: Float32Array, offset: number): number {
  let node = root;
  if (missing === undefined) {
    for (let f = feature[node]!; f >= 0; f = feature[node]!) node = x[offset + f]! <= threshold[node]! ? node + 1 : right[node]!;
    return right[node]!;
  }
  for (let f = feature[node]!; f >= 0; f = feature[node]!) {
    const value = x[offset + f]!;
    const goesLeft = missing[node] === 1 ? !(value > threshold[node]!) : value <= threshold[node]!;
    node = goesLeft ? node + 1 : right[node]!;
  }
  return right[node]!;
}
