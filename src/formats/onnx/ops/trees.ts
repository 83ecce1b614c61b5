/**
 * Importers of ai.onnx.ml's decision trees: TreeEnsembleClassifier and TreeEnsembleRegressor, as converters of scikit-learn, XGBoost and
 * LightGBM write them, and TreeEnsemble of version 5. Where the specification is silent (two classes with the values of one),
 * onnxruntime 1.30 decides. Class labels are not computed: the scores say it (see labels.ts).
 */
import type { Tensor } from "../../../graph/ir.ts";
import { MAX_TREE_VALUES, assembleTrees, addTrees, type BranchMode, type Source, type SourceNode } from "../../tree/assemble.ts";
import type { ImportContext } from "../context.ts";
import type { OnnxNode } from "../node.ts";
import { readTensor } from "../tensor.ts";
import type { OpImporter } from "./importer.ts";

const MODES: Readonly<Record<string, BranchMode>> = { BRANCH_LEQ: "<=", BRANCH_LT: "<", BRANCH_GTE: ">=", BRANCH_GT: ">" };
const MODE_NUMBERS: readonly (BranchMode | undefined)[] = ["<=", "<", ">=", ">"];
const TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"] as const;
type Transform = (typeof TRANSFORMS)[number];

/** Numbers of an attribute, or of its double-precision twin `NAME_as_tensor`. */
function numbers(node: OnnxNode, name: string): ArrayLike<number> | undefined {
  const proto = node.tensor(`${name}_as_tensor`);
  return proto === undefined ? node.floats(name) : readTensor(proto, `${node.where}: attribute ${name}_as_tensor`).data;
}

function tensorData(node: OnnxNode, name: string): ArrayLike<number> | undefined {
  const proto = node.tensor(name);
  return proto && readTensor(proto, `${node.where}: attribute ${name}`).data;
}

function samples(ctx: ImportContext, node: OnnxNode): Tensor {
  const x = ctx.input(node, 0);
  if (x.dtype !== "float32") node.unsupported(`samples are ${x.dtype}, expected float32`);
  if (x.shape.length === 1) return ctx.reshape(node, "row", x, [1, x.shape[0]!]);
  if (x.shape.length !== 2) node.fail(`samples have ${x.shape.length} dimensions, expected [N, features]`);
  return x;
}

interface Leaves {
  readonly treeIds: readonly number[];
  readonly nodeIds: readonly number[];
  readonly targets: readonly number[];
  readonly weights: ArrayLike<number>;
}

/** The trees of a classifier or regressor: nodes named by tree and number, values in lists of their own. */
function listedTrees(node: OnnxNode, features: number, outputs: number, leaves: Leaves): Source {
  const ints = (name: string): readonly number[] => node.ints(`nodes_${name}`) ?? node.fail(`attribute nodes_${name} is missing`);
  const [treeIds, nodeIds] = [ints("treeids"), ints("nodeids")];
  const [feature, whenTrue, whenFalse] = [ints("featureids"), ints("truenodeids"), ints("falsenodeids")];
  const modes = node.strings("nodes_modes") ?? node.fail("attribute nodes_modes is missing");
  const values = numbers(node, "nodes_values") ?? node.fail("attribute nodes_values is missing");
  const tracks = node.ints("nodes_missing_value_tracks_true") ?? [];
  const count = treeIds.length;
  for (const [name, list] of Object.entries({ nodeIds, feature, whenTrue, whenFalse, modes, values })) {
    if (list.length !== count) node.fail(`${list.length} entries of ${name} for ${count} nodes`);
  }
  if (tracks.length !== 0 && tracks.length !== count)
    node.fail(`${tracks.length} entries of nodes_missing_value_tracks_true for ${count} nodes`);

  const places = new Map<string, number>();
  treeIds.forEach((tree, i) => {
    const key = `${tree} ${nodeIds[i]!}`;
    if (places.has(key)) node.fail(`tree ${tree} has two nodes ${nodeIds[i]!}`);
    places.set(key, i);
  });
  const placeOf = (tree: number, id: number): number => places.get(`${tree} ${id}`) ?? node.fail(`tree ${tree} has no node ${id}`);
  const children = new Set<number>();
  modes.forEach((mode, i) => {
    if (mode === "LEAF") return;
    children.add(placeOf(treeIds[i]!, whenTrue[i]!));
    children.add(placeOf(treeIds[i]!, whenFalse[i]!));
  });
  const sums = leafSums(node, leaves, outputs, placeOf);
  const roots = treeIds.flatMap((_, i) => (children.has(i) ? [] : [i]));
  if (new Set(roots.map((i) => treeIds[i]!)).size !== new Set(treeIds).size || roots.length !== new Set(treeIds).size) {
    node.fail(`${roots.length} nodes without a parent in ${new Set(treeIds).size} trees, expected one each`);
  }
  return {
    where: node.where,
    features,
    outputs,
    roots,
    statistics: false,
    node: (i): SourceNode => {
      const mode = modes[i]!;
      if (mode === "LEAF") return { values: sums.get(i) ?? [] };
      const comparison = MODES[mode] ?? node.unsupported(`node mode ${mode}, expected LEAF, ${Object.keys(MODES).join(", ")}`);
      const tree = treeIds[i]!;
      return {
        branch: {
          mode: comparison,
          feature: feature[i]!,
          threshold: values[i]!,
          whenTrue: placeOf(tree, whenTrue[i]!),
          whenFalse: placeOf(tree, whenFalse[i]!),
          missing: tracks[i] === 1,
        },
      };
    },
  };
}

function leafSums(
  node: OnnxNode,
  { treeIds, nodeIds, targets, weights }: Leaves,
  outputs: number,
  placeOf: (tree: number, id: number) => number,
): ReadonlyMap<number, Float32Array> {
  if (nodeIds.length !== treeIds.length || targets.length !== treeIds.length || weights.length !== treeIds.length) {
    node.fail(`${treeIds.length}, ${nodeIds.length}, ${targets.length} and ${weights.length} tree ids, node ids, targets and weights`);
  }
  const sums = new Map<number, Float32Array>();
  if (treeIds.length * outputs > MAX_TREE_VALUES)
    node.fail(`${treeIds.length} leaf values for ${outputs} outputs, expected at most ${MAX_TREE_VALUES} in all`);
  treeIds.forEach((tree, i) => {
    const place = placeOf(tree, nodeIds[i]!);
    const target = targets[i]!;
    if (!(target >= 0 && target < outputs))
      node.fail(`leaf ${nodeIds[i]!} of tree ${tree} adds to output ${target}, expected 0..${outputs - 1}`);
    let sum = sums.get(place);
    if (sum === undefined) sums.set(place, (sum = new Float32Array(outputs)));
    sum[target] = sum[target]! + weights[i]!;
  });
  return sums;
}

/** Class labels at most: an attribute of some bytes must not ask for gigabytes of scores. */
const MAX_OUTPUTS = 2 ** 20;

const classifier: OpImporter = (ctx, node) => {
  if (ctx.isNeeded(node, 0))
    node.unsupported(`its class labels ("${node.outputs[0] ?? ""}") are read by another node, expected its scores only`);
  const x = samples(ctx, node);
  const classes = node.ints("classlabels_int64s")?.length ?? node.strings("classlabels_strings")?.length ?? 0;
  if (classes < 1 || classes > MAX_OUTPUTS) node.fail(`${classes} class labels, expected 1 to ${MAX_OUTPUTS}`);
  const weights = numbers(node, "class_weights") ?? [];
  const targets = node.ints("class_ids") ?? [];
  const leaves: Leaves = { treeIds: node.ints("class_treeids") ?? [], nodeIds: node.ints("class_nodeids") ?? [], targets, weights };
  const base = Array.from(numbers(node, "base_values") ?? []);
  const transform = namedTransform(node);
  const source = listedTrees(node, x.shape[1]!, classes, leaves);
  if (classes !== 2 || targets.some((target) => target !== 0)) {
    finish(ctx, node, x, { source, base, transform, aggregate: "sum", task: "classification" });
    return;
  }
  // Two classes with the values of class 0 alone: if positive, they are the probability p of class 1, else its score s, against -s.
  if (base.length > 1) node.unsupported(`${base.length} base values for two classes with the values of one, expected at most 1`);
  const [shift = 0] = base;
  const probability = Array.from(weights).every((w) => w >= 0);
  if (probability && transform !== "NONE") node.unsupported(`post_transform ${transform} of a probability, expected NONE`);
  finish(ctx, node, x, {
    source: { ...source, node: (i) => mirrored(source.node(i)) },
    base: [probability ? 1 - shift : -shift, shift],
    transform,
    aggregate: "sum",
    task: "classification",
  });
};

function mirrored(node: SourceNode): SourceNode {
  return node.values === undefined || node.branch !== undefined ? node : { ...node, values: [-(node.values[0] ?? 0), node.values[0] ?? 0] };
}

const regressor: OpImporter = (ctx, node) => {
  const x = samples(ctx, node);
  const outputs = targetCount(node);
  const aggregate = node.string("aggregate_function", "SUM");
  if (aggregate !== "SUM" && aggregate !== "AVERAGE") node.unsupported(`aggregate_function ${aggregate}, expected SUM or AVERAGE`);
  const leaves: Leaves = {
    treeIds: node.ints("target_treeids") ?? [],
    nodeIds: node.ints("target_nodeids") ?? [],
    targets: node.ints("target_ids") ?? [],
    weights: numbers(node, "target_weights") ?? [],
  };
  finish(ctx, node, x, {
    source: listedTrees(node, x.shape[1]!, outputs, leaves),
    base: Array.from(numbers(node, "base_values") ?? []),
    transform: namedTransform(node),
    aggregate: aggregate === "SUM" ? "sum" : "average",
    task: "regression",
  });
};

function targetCount(node: OnnxNode): number {
  const outputs = node.int("n_targets", 1);
  if (outputs < 1 || outputs > MAX_OUTPUTS) node.fail(`n_targets ${outputs}, expected 1 to ${MAX_OUTPUTS}`);
  return outputs;
}

/** Version 5: branches and leaves in arrays of their own, referred to by place. */
const ensemble: OpImporter = (ctx, node) => {
  const x = samples(ctx, node);
  const outputs = targetCount(node);
  const ints = (name: string): readonly number[] => node.ints(name) ?? node.fail(`attribute ${name} is missing`);
  const [feature, whenTrue, whenFalse] = [ints("nodes_featureids"), ints("nodes_truenodeids"), ints("nodes_falsenodeids")];
  const [trueLeafs, falseLeafs, roots] = [ints("nodes_trueleafs"), ints("nodes_falseleafs"), ints("tree_roots")];
  const splits = tensorData(node, "nodes_splits") ?? node.fail("attribute nodes_splits is missing");
  const modes = tensorData(node, "nodes_modes") ?? node.fail("attribute nodes_modes is missing");
  const [targets, weights] = [ints("leaf_targetids"), tensorData(node, "leaf_weights") ?? node.fail("attribute leaf_weights is missing")];
  const tracks = node.ints("nodes_missing_value_tracks_true") ?? [];
  const count = feature.length;
  for (const list of [whenTrue, whenFalse, trueLeafs, falseLeafs, splits, modes, ...(tracks.length > 0 ? [tracks] : [])]) {
    if (list.length !== count) node.fail(`an attribute of nodes has ${list.length} entries, expected ${count}`);
  }
  if (targets.length !== weights.length) node.fail(`${targets.length} targets and ${weights.length} weights of leaves`);
  const aggregate = node.int("aggregate_function", 1);
  if (aggregate !== 0 && aggregate !== 1) node.unsupported(`aggregate_function ${aggregate}, expected 0 (average) or 1 (sum)`);
  const leaf = (i: number): SourceNode => {
    const target = targets[i] ?? node.fail(`a branch refers to leaf ${i} of ${targets.length}`);
    if (!(target >= 0 && target < outputs)) node.fail(`leaf ${i} adds to output ${target}, expected 0..${outputs - 1}`);
    const values = new Float32Array(outputs);
    values[target] = weights[i]!;
    return { values, shared: true };
  };
  const source: Source = {
    where: node.where,
    features: x.shape[1]!,
    outputs,
    roots,
    statistics: false,
    // Branches are 0..count-1, leaves lie behind them.
    node: (id) => {
      if (!(id >= 0)) node.fail(`a branch or tree refers to node ${id}`);
      if (id >= count) return leaf(id - count);
      const mode = MODE_NUMBERS[modes[id]!] ?? node.unsupported(`node mode ${modes[id]!}, expected 0 (<=), 1 (<), 2 (>=) or 3 (>)`);
      const child = (place: number, isLeaf: number): number => {
        if (!(place >= 0) || (isLeaf === 0 && place >= count)) node.fail(`node ${id} refers to node ${place} of ${count}`);
        return isLeaf === 0 ? place : count + place;
      };
      return {
        branch: {
          mode,
          feature: feature[id]!,
          threshold: splits[id]!,
          whenTrue: child(whenTrue[id]!, trueLeafs[id]!),
          whenFalse: child(whenFalse[id]!, falseLeafs[id]!),
          missing: tracks[id] === 1,
        },
      };
    },
  };
  const transform = TRANSFORMS[node.int("post_transform", 0)] ?? node.fail("unknown post_transform");
  finish(ctx, node, x, { source, base: [], transform, aggregate: aggregate === 0 ? "average" : "sum", task: "regression" });
};

interface Finish {
  readonly source: Source;
  /** Added to the outputs; empty: nothing. */
  readonly base: readonly number[];
  readonly transform: Transform;
  readonly aggregate: "sum" | "average";
  readonly task: "classification" | "regression";
}

/** The trees, and what is done to their sums, as the node's scores: the last of its outputs. */
function finish(ctx: ImportContext, node: OnnxNode, x: Tensor, { source, base, transform, aggregate, task }: Finish): void {
  const { outputs } = source;
  const index = node.outputs.length - 1;
  if (base.length !== 0 && base.length !== outputs) node.unsupported(`${base.length} base values for ${outputs} outputs`);
  if (transform === "SOFTMAX_ZERO" || transform === "PROBIT")
    node.unsupported(`post_transform ${transform}, expected NONE, SOFTMAX or LOGISTIC`);
  const shifted = base.some((value) => value !== 0);
  const own = node.outputs[index] ?? "";
  const last = !shifted && transform === "NONE" && own !== "" && !ctx.builder.has(own);
  const fresh = (name: string): string => ctx.fresh(name);
  const output = { name: last ? own : fresh(`${node.name}/sum`) };
  const sum = addTrees(ctx.builder, fresh, node.name, x.name, assembleTrees(source), { aggregate, task }, output);
  let y = ctx.builder.tensor(sum);
  if (shifted) {
    const inputs = [y, ctx.constant(`${node.name}/base`, "float32", [outputs], Float32Array.from(base))];
    const attrs = { fn: "add" } as const;
    y = transform === "NONE" ? ctx.result(node, "Binary", inputs, attrs, {}, index) : ctx.helper(node, "shifted", "Binary", inputs, attrs);
  }
  if (transform === "LOGISTIC") y = ctx.result(node, "Unary", [y], { fn: "sigmoid" }, {}, index);
  if (transform === "SOFTMAX") y = ctx.result(node, "Softmax", [y], { axis: 1, beta: 1 }, {}, index);
  ctx.bind(node, y, index);
}

function namedTransform(node: OnnxNode): Transform {
  const name = node.string("post_transform", "NONE");
  return TRANSFORMS.find((known) => known === name) ?? node.fail(`unknown post_transform ${name}`);
}

/** Scores as maps from label to score: the scores themselves here. */
const zipMap: OpImporter = (ctx, node) => ctx.bind(node, ctx.input(node, 0));

export const TREE_OPS: readonly (readonly [string, OpImporter])[] = [
  ["ai.onnx.ml/TreeEnsembleClassifier", classifier],
  ["ai.onnx.ml/TreeEnsembleRegressor", regressor],
  ["ai.onnx.ml/TreeEnsemble", ensemble],
  ["ai.onnx.ml/ZipMap", zipMap],
];
