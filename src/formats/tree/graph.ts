/** The graph that is nothing but decision trees of its input. */
import { GraphBuilder } from "../../graph/builder.ts";
import { elementCount } from "../../graph/dtype.ts";
import type { Graph, Shape, TreeEnsembleAttrs } from "../../graph/ir.ts";
import type { Trees } from "../../graph/tree.ts";
import { addTrees } from "./assemble.ts";

/**
 * @param shape of one sample
 * @param batched the input's whole shape; default: a batch of 1
 */
export function treeGraph(
  name: string,
  shape: Shape,
  trees: Trees,
  attrs: TreeEnsembleAttrs,
  inputName = "x",
  batched: Shape = [1, ...shape],
): Graph {
  const builder = new GraphBuilder(name);
  const x = builder.input(inputName, "float32", batched);
  const features = elementCount(shape);
  const samples = batched[0]!;
  const flat = shape.length === 1 ? x : builder.add("Reshape", "flatten", [x], {}, { shape: [samples, features] });
  const output = { name: builder.unique(attrs.task === "classification" ? "scores" : "y") };
  return builder.finish([addTrees(builder, (base) => builder.unique(base), "trees", flat, trees, attrs, output)]);
}
