/**
 * Decision trees as JSON (docs/trees.md): the arrays that scikit-learn's `tree_` has, by their names there, of one tree or of a list of
 * them. Everything that the text claims is checked before it is used.
 */
import { FormatError, formatShape, ShapeError, UsageError } from "../../errors.ts";
import { elementCount } from "../../graph/dtype.ts";
import type { Graph, Shape, TreeEnsembleAttrs } from "../../graph/ir.ts";
import type { Trees } from "../../graph/tree.ts";
import type { ImportOptions } from "../options.ts";
import { treeGraph } from "./graph.ts";
import { MAX_TREE_VALUES, assembleTrees, type SourceNode } from "./assemble.ts";

const REMEDY =
  'A tree looks like {"children_left":[1,-1,-1],"children_right":[2,-1,-1],"feature":[0,-2,-2],"threshold":[0.5,-2,-2],"value":[[3,2],[3,0],[0,2]]}';

type Json = Readonly<Record<string, unknown>>;

/** Whether a parsed JSON value is meant as trees. */
export function looksLikeTrees(value: unknown): value is Json {
  return isObject(value) && ("children_left" in value || "trees" in value);
}

/** @param value parsed JSON @throws FormatError, ShapeError, UnsupportedError */
export function importTrees(value: Json, options: ImportOptions): Graph {
  const { name } = options;
  const list = value["trees"] ?? [value];
  if (!Array.isArray(list) || list.length === 0) throw bad(`${name}: "trees": expected a list of at least one tree`);
  const task = word(value, "task", ["classification", "regression"], "classification", name);
  const aggregate = word(value, "aggregate", ["sum", "average"], "average", name);
  const single = list.length === 1;
  const tables = list.map((tree: unknown, i) => readTable(tree, single ? name : `${name}: trees[${i}]`));
  const outputs = tables[0]!.outputs;
  if (tables.some((table) => table.outputs !== outputs)) throw bad(`${name}: trees of different numbers of outputs`);
  const { shape, features } = sampleShape(value, name);
  const trees = joinTables(tables, features, task, name);
  const holdout = readHoldout(value["holdout"], name);

  const inputName = isObject(value["input"]) && typeof value["input"]["name"] === "string" ? value["input"]["name"] : "x";
  const attrs: TreeEnsembleAttrs = { aggregate, task, ...(holdout && { holdout }) };
  return treeGraph(name, shape, trees, attrs, inputName, batched(inputName, shape, options));
}

interface Table {
  readonly where: string;
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly feature: readonly number[];
  readonly threshold: readonly number[];
  /** [nodes][outputs] */
  readonly values: readonly (readonly number[])[];
  readonly outputs: number;
  readonly missing?: readonly number[];
  readonly impurity?: readonly number[];
  readonly weight?: readonly number[];
}

function readTable(tree: unknown, where: string): Table {
  if (!isObject(tree)) throw bad(`${where}: expected an object`);
  const numbers = (key: string): readonly number[] => {
    const list = tree[key];
    if (!isNumbers(list)) throw bad(`${where}: "${key}": expected a list of numbers`);
    return list;
  };
  const left = numbers("children_left");
  const n = left.length;
  if (n === 0) throw bad(`${where}: no nodes`);
  const sized = (key: string): readonly number[] => {
    const list = numbers(key);
    if (list.length !== n) throw bad(`${where}: "${key}" has ${list.length} entries, expected ${n}`);
    return list;
  };
  const optional = (key: string): readonly number[] | undefined => (tree[key] === undefined ? undefined : sized(key));
  const values = readValues(tree["value"], n, where);
  const outputs = values[0]!.length;
  if (n * outputs > MAX_TREE_VALUES) throw bad(`${where}: ${n} nodes of ${outputs} values, expected at most ${MAX_TREE_VALUES} in all`);
  const [impurity, weight, missing] = [optional("impurity"), optional("weighted_n_node_samples"), optional("missing_go_to_left")];
  if ([impurity, weight].some((list) => list?.some((v) => !(v >= 0 && v < Infinity)))) {
    throw bad(`${where}: "impurity" and "weighted_n_node_samples": expected numbers from 0`);
  }
  return {
    where,
    left,
    right: sized("children_right"),
    feature: sized("feature"),
    threshold: sized("threshold"),
    values,
    outputs,
    ...(missing && { missing }),
    ...(impurity && { impurity }),
    ...(weight && { weight }),
  };
}

/** `[[a, b], …]`, or as scikit-learn has it, `[[[a, b]], …]`. */
function readValues(value: unknown, n: number, where: string): readonly (readonly number[])[] {
  if (!Array.isArray(value) || value.length !== n) throw bad(`${where}: "value": expected a list of ${n} lists of numbers`);
  const rows = value.map((row: unknown): unknown => (Array.isArray(row) && row.length === 1 && Array.isArray(row[0]) ? row[0] : row));
  const first = rows[0];
  const width = Array.isArray(first) ? first.length : 0;
  if (width === 0) throw bad(`${where}: "value": expected a list of ${n} lists of numbers`);
  rows.forEach((row, i) => {
    if (!isNumbers(row) || row.length !== width) throw bad(`${where}: "value"[${i}]: expected ${width} numbers`);
  });
  return rows as number[][];
}

/** All trees in one set of arrays. */
function joinTables(tables: readonly Table[], features: number, task: TreeEnsembleAttrs["task"], where: string): Trees {
  const starts: number[] = [];
  let count = 0;
  for (const { left } of tables) {
    starts.push(count);
    count += left.length;
  }
  const tableOf = new Int32Array(count);
  tables.forEach((_, t) => tableOf.fill(t, starts[t], starts[t + 1] ?? count));
  const statistics = tables.every(({ impurity, weight }) => impurity !== undefined && weight !== undefined);
  const reached = { count: 0 };
  const trees = assembleTrees({
    where,
    features,
    outputs: tables[0]!.outputs,
    roots: starts,
    statistics,
    node: (id) => {
      reached.count++;
      return nodeOf(tables[tableOf[id]!]!, id, starts[tableOf[id]!]!, task);
    },
  });
  if (reached.count !== count) throw bad(`${where}: ${count - reached.count} of ${count} nodes belong to no tree`);
  return trees;
}

/** @param id among the nodes of all trees @param start of the node's tree */
function nodeOf(table: Table, id: number, start: number, task: TreeEnsembleAttrs["task"]): SourceNode {
  const { where, left, right, feature, threshold, values, missing, impurity, weight } = table;
  const i = id - start;
  const [l, r] = [left[i]!, right[i]!];
  const facts = {
    values: task === "classification" ? shares(values[i]!, `${where}: "value"[${i}]`) : values[i]!,
    ...(impurity && { impurity: impurity[i]! }),
    ...(weight && { weight: weight[i]! }),
  };
  if (l === -1 && r === -1) return facts;
  const inside = (child: number): boolean => Number.isInteger(child) && child > 0 && child < left.length;
  if (!inside(l) || !inside(r))
    throw bad(`${where}: node ${i} has the children ${l} and ${r}, expected -1 twice or two in 1..${left.length - 1}`);
  return {
    ...facts,
    branch: {
      mode: "<=",
      feature: feature[i]!,
      threshold: threshold[i]!,
      whenTrue: start + l,
      whenFalse: start + r,
      missing: missing?.[i] === 1,
    },
  };
}

/** Class counts as shares; shares stay as they are, to the bit. */
function shares(row: readonly number[], where: string): readonly number[] {
  let sum = 0;
  for (const v of row) {
    if (!(v >= 0 && v < Infinity)) throw bad(`${where}: got ${v}, expected counts or shares of classes from 0`);
    sum += v;
  }
  return sum === 0 || Math.abs(sum - 1) <= 1e-5 ? row : row.map((v) => v / sum);
}

function sampleShape(value: Json, name: string): { readonly shape: Shape; readonly features: number } {
  const shape = isObject(value["input"]) ? value["input"]["shape"] : undefined;
  const count = value["n_features"];
  const whole = (n: unknown): n is number => typeof n === "number" && Number.isSafeInteger(n) && n > 0 && n < 2 ** 31;
  if (shape === undefined) {
    if (!whole(count)) throw bad(`${name}: expected "n_features", or the shape of a sample as "input": {"shape": […]}`);
    return { shape: [count], features: count };
  }
  if (!Array.isArray(shape) || shape.length === 0 || shape.length > 8 || !shape.every(whole) || !whole(elementCount(shape))) {
    throw bad(`${name}: "input.shape": expected a list of up to 8 sizes`);
  }
  const features = elementCount(shape);
  if (count !== undefined && count !== features) throw bad(`${name}: "n_features" disagrees with "input.shape" ${formatShape(shape)}`);
  return { shape, features };
}

/** With a batch in front; 1 unless bound. */
function batched(input: string, shape: Shape, { name, shapes }: ImportOptions): Shape {
  for (const key of shapes?.keys() ?? []) {
    if (key !== input) throw new UsageError(`${name}: --shape names input "${key}", expected "${input}"`);
  }
  const bound = shapes?.get(input);
  if (bound === undefined) return [1, ...shape];
  if (bound.length === shape.length + 1 && shape.every((d, i) => d === bound[i + 1])) return bound;
  throw new ShapeError(`${name}: input "${input}": --shape gives ${formatShape(bound)}, expected [batch, ${shape.join(", ")}]`);
}

function readHoldout(value: unknown, name: string): TreeEnsembleAttrs["holdout"] {
  if (value === undefined) return undefined;
  const { fraction, seed } = isObject(value) ? value : {};
  if (typeof fraction === "number" && fraction > 0 && fraction < 1 && Number.isSafeInteger(seed)) return { fraction, seed: seed as number };
  throw bad(`${name}: "holdout": expected {"fraction": above 0 and below 1, "seed": a whole number}`);
}

function word<T extends string>(value: Json, key: string, known: readonly T[], fallback: T, name: string): T {
  if (value[key] === undefined) return fallback;
  const found = known.find((k) => k === value[key]);
  if (found === undefined) throw bad(`${name}: "${key}": expected ${known.map((k) => `"${k}"`).join(" or ")}`);
  return found;
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((v) => typeof v === "number");
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(message: string): FormatError {
  return new FormatError(message, REMEDY);
}
