/** The recipe steps that prune decision trees: each TreeEnsemble of a graph becomes one with fewer nodes. */
import { UnavailableError, UnsupportedError, UsageError } from "../../errors.ts";
import { producersOf, tensorOf } from "../../graph/access.ts";
import { elementCount, type DType, type TypedArray } from "../../graph/dtype.ts";
import type { Graph, NodeWith, Tensor } from "../../graph/ir.ts";
import { TREE_INPUT, isTree, treeShape, treesOf, type Trees } from "../../graph/tree.ts";
import { leftOut } from "../recipe-fields.ts";
import { treeText, type TreeStep } from "../recipe-trees.ts";
import type { CompressContext, LabelledSamples, SkippedLayer, StepResult } from "../steps.ts";
import { collapse } from "./collapse.ts";
import { costComplexityCut } from "./cost-complexity.ts";
import { isHeldOut } from "./holdout.ts";
import { minimumErrorCut, pessimisticCut } from "./pessimistic.ts";
import { countStatistics } from "./statistics.ts";
import { chooseAlpha, reducedErrorCut, type Labelled } from "./validate.ts";

/** @throws UsageError for a graph without trees, UnavailableError where samples are needed and missing, UnsupportedError */
export async function pruneTrees(graph: Graph, step: TreeStep, context: CompressContext): Promise<StepResult> {
  const nodes = graph.nodes.filter(isTree);
  const text = treeText(step);
  if (nodes.length === 0) throw new UsageError(`recipe step ${text}: model ${graph.name} has no decision trees`, "bench grow makes some");
  const layers: string[] = [];
  const skipped: SkippedLayer[] = [];
  const notes: string[] = [];
  let result = graph;
  for (const node of nodes) {
    const why = leftOut(node.name, step);
    if (why !== undefined) {
      skipped.push({ layer: node.name, op: node.op, why });
      continue;
    }
    const samples = context.labelled === undefined ? undefined : await context.labelled();
    const trees = withStatistics(graph, node, text, samples, notes);
    const pruned = collapse(trees, cutOf(graph, node, trees, step, samples, notes));
    const [before, after] = [treeShape(trees), treeShape(pruned)];
    notes.push(
      `${node.name}: ${before.nodes} nodes, ${before.leaves} leaves, depth ${before.depth} → ${after.nodes}, ${after.leaves}, ${after.depth}`,
    );
    layers.push(node.name);
    result = replaceTrees(result, node, pruned);
  }
  return { graph: result, layers, skipped, promises: [], notes };
}

/** Trees that know of each node what pruning asks; counted where the file does not say. */
function withStatistics(
  graph: Graph,
  node: NodeWith<"TreeEnsemble">,
  text: string,
  samples: LabelledSamples | undefined,
  notes: string[],
): Trees {
  const trees = treesOf(graph, node);
  if (trees.statistics !== undefined) return trees;
  if (samples === undefined) {
    throw new UnavailableError(
      "no-node-statistics",
      `recipe step ${text}: trees "${node.name}": the file has no impurity and sample counts of nodes (ONNX has no place for them)`,
      "Prune the .json model, or give --dataset, whose training samples are then counted",
    );
  }
  const labelled = choose(graph, node, text, samples, () => true);
  notes.push(`${node.name}: nodes counted on ${labelled.count} training samples, since the file does not say`);
  return countStatistics(trees, labelled);
}

function cutOf(
  graph: Graph,
  node: NodeWith<"TreeEnsemble">,
  trees: Trees,
  step: TreeStep,
  samples: LabelledSamples | undefined,
  notes: string[],
): Uint8Array {
  const text = treeText(step);
  const classes = (): void => {
    if (node.attrs.task === "classification") return;
    throw new UnsupportedError(`recipe step ${text}: trees "${node.name}" do not classify`, "Use ccp:ALPHA");
  };
  switch (step.method) {
    case "pessimistic":
      classes();
      return pessimisticCut(trees, step.confidence);
    case "minerror":
      classes();
      return minimumErrorCut(trees, step.m);
    case "rep":
      classes();
      return reducedErrorCut(trees, validation(graph, node, step, samples));
    case "ccp": {
      if (step.alpha !== "auto") return costComplexityCut(trees, step.alpha);
      classes();
      const labelled = validation(graph, node, step, samples);
      const { alpha, error, leastError, standardError } = chooseAlpha(trees, labelled);
      const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
      notes.push(
        `${node.name}: alpha ${Number(alpha.toPrecision(4))} by ${labelled.count} samples: error ${percent(error)}, least ${percent(leastError)}, ` +
          `standard error ${percent(standardError)}`,
      );
      return costComplexityCut(trees, alpha);
    }
  }
}

/** The samples that choose how far to prune. */
function validation(
  graph: Graph,
  node: NodeWith<"TreeEnsemble">,
  step: Extract<TreeStep, { readonly samples: string }>,
  samples: LabelledSamples | undefined,
): Labelled {
  const text = treeText(step);
  if (samples === undefined) {
    throw new UnavailableError(
      "no-validation-data",
      `recipe step ${text}: needs labelled samples, but the model has no dataset`,
      "Name one with --dataset",
    );
  }
  if (step.samples === "all") return choose(graph, node, text, samples, () => true);
  const { holdout } = node.attrs;
  if (holdout === undefined) {
    throw new UnavailableError(
      "no-held-out-samples",
      `recipe step ${text}: trees "${node.name}" do not say which training samples they have not seen, and those they grew from would vote for every branch`,
      "Grow with bench grow --holdout 0.2, or give samples=all if no training sample was used",
    );
  }
  return choose(graph, node, text, samples, (i) => isHeldOut(i, holdout));
}

function choose(
  graph: Graph,
  node: NodeWith<"TreeEnsemble">,
  text: string,
  samples: LabelledSamples,
  wanted: (i: number) => boolean,
): Labelled {
  checkInput(graph, node, text, samples);
  const indices = Int32Array.from({ length: samples.count }, (_, i) => i).filter(wanted);
  return { count: indices.length, label: (i) => samples.label(indices[i]!), sample: (i) => samples.sample(indices[i]!) };
}

/** The trees must see the model's input as it is, so that a sample is their row of features. */
function checkInput(graph: Graph, node: NodeWith<"TreeEnsemble">, text: string, { classes, elements }: LabelledSamples): void {
  let name = node.inputs[TREE_INPUT.x]!;
  const producers = producersOf(graph);
  for (let before = producers.get(name); before?.op === "Reshape"; before = producers.get(name)) name = before.inputs[0]!;
  const features = tensorOf(graph, node.inputs[TREE_INPUT.x]!).shape[1]!;
  if (!graph.inputs.includes(name) || features !== elements) {
    throw new UnsupportedError(
      `recipe step ${text}: trees "${node.name}" read ${features} features that are not a sample's ${elements} values`,
    );
  }
  const outputs = elementCount(tensorOf(graph, node.outputs[0]!).shape) / tensorOf(graph, node.outputs[0]!).shape[0]!;
  if (outputs === classes) return;
  throw new UnsupportedError(`recipe step ${text}: trees "${node.name}" have ${outputs} outputs, but the dataset has ${classes} classes`);
}

/** The graph with other trees in a node; constants keep their names. */
export function replaceTrees(graph: Graph, node: NodeWith<"TreeEnsemble">, trees: Trees): Graph {
  const tensors = new Map(graph.tensors);
  const n = trees.left.length;
  const inputs = [...node.inputs];
  const put = (role: keyof typeof TREE_INPUT, dtype: DType, data: TypedArray | undefined, shape: readonly number[] = [n]): void => {
    const index = TREE_INPUT[role];
    const own = inputs[index] ?? "";
    if (own !== "") tensors.delete(own);
    inputs[index] = "";
    if (data === undefined) return;
    let name = own === "" ? `${node.name}/${role}` : own;
    while (tensors.has(name)) name += "_";
    const tensor: Tensor = { name, dtype, shape, data };
    tensors.set(name, tensor);
    inputs[index] = name;
  };
  put("feature", "int32", trees.feature);
  put("threshold", "float32", trees.threshold);
  put("left", "int32", trees.left);
  put("right", "int32", trees.right);
  put("values", "float32", trees.values, [n, trees.outputs]);
  put("roots", "int32", trees.roots, [trees.roots.length]);
  put("missing", "uint8", trees.missing);
  put("impurity", "float64", trees.statistics?.impurity);
  put("weight", "float64", trees.statistics?.weight);
  while (inputs.at(-1) === "") inputs.pop();
  return { ...graph, tensors, nodes: graph.nodes.map((other) => (other === node ? { ...node, inputs } : other)) };
}
