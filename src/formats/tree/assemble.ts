/**
 * Decision trees from a file's own form into the constants of a TreeEnsemble: preorder, so that children lie behind their parents, and
 * every comparison as "x <= float32 threshold goes left" with exactly the decisions that the file asks for. Trusts no reference: cycles,
 * nodes of two parents and references into nowhere are errors.
 */
import { FormatError, UnsupportedError } from "../../errors.ts";
import type { GraphBuilder, OutputSpec } from "../../graph/builder.ts";
import { floorFloat32, nextBelow } from "../../graph/float32.ts";
import type { DType, TypedArray } from "../../graph/dtype.ts";
import type { Shape, TreeEnsembleAttrs } from "../../graph/ir.ts";
import type { Trees } from "../../graph/tree.ts";

/** Comparison of x[feature] with the threshold. */
export type BranchMode = "<=" | "<" | ">=" | ">";

/** What a file says of one node. Children are the file's own numbers of nodes. */
export interface SourceNode {
  readonly branch?: {
    readonly mode: BranchMode;
    readonly feature: number;
    /** As the file has it: float32 or double. */
    readonly threshold: number;
    readonly whenTrue: number;
    readonly whenFalse: number;
    /** Where NaN goes; absent: false. */
    readonly missing?: boolean;
  };
  /** `outputs` values; may be absent for a branch. */
  readonly values?: ArrayLike<number>;
  readonly impurity?: number;
  readonly weight?: number;
  /** Several branches may refer to it: it holds nothing but values. */
  readonly shared?: boolean;
}

export interface Source {
  /** For messages. */
  readonly where: string;
  readonly features: number;
  readonly outputs: number;
  readonly roots: readonly number[];
  /** @throws FormatError for a number that names no node */
  readonly node: (id: number) => SourceNode;
  /** Whether nodes have impurity and weight. */
  readonly statistics: boolean;
}

/** A file of some bytes must not become gigabytes: nodes × outputs. */
export const MAX_TREE_VALUES = 2 ** 25;

/** @throws FormatError, UnsupportedError */
export function assembleTrees(source: Source): Trees {
  const { where, features, outputs } = source;
  const feature: number[] = [];
  const threshold: number[] = [];
  const left: number[] = [];
  const right: number[] = [];
  const missing: number[] = [];
  const values: number[] = [];
  const impurity: number[] = [];
  const weight: number[] = [];
  const roots: number[] = [];
  const seen = new Set<number>();

  for (const root of source.roots) {
    roots.push(feature.length);
    const open: { readonly id: number; readonly slot?: number[]; readonly parent?: number }[] = [{ id: root }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { id, slot, parent } = next;
      const node = source.node(id);
      const at = feature.length;
      if (at * outputs >= MAX_TREE_VALUES) throw new FormatError(`${where}: more than ${MAX_TREE_VALUES} values in ${at} nodes`);
      if (node.shared !== true) {
        if (seen.has(id))
          throw new FormatError(`${where}: node ${id} is reached twice, expected trees`, "The file has a cycle, or trees that share nodes");
        seen.add(id);
      }
      if (slot !== undefined && parent !== undefined) slot[parent] = at;
      left.push(at);
      right.push(at);
      for (let c = 0; c < outputs; c++) values.push(finite(node.values?.[c] ?? 0, `${where}: node ${id}: value ${c}`));
      impurity.push(node.impurity ?? 0);
      weight.push(node.weight ?? 0);
      if (node.branch === undefined) {
        feature.push(0);
        threshold.push(0);
        missing.push(0);
        continue;
      }
      const { branch } = node;
      if (!(Number.isInteger(branch.feature) && branch.feature >= 0 && branch.feature < features)) {
        throw new FormatError(`${where}: node ${id}: feature ${branch.feature}, expected 0..${features - 1}`);
      }
      const swapped = branch.mode === ">" || branch.mode === ">=";
      feature.push(branch.feature);
      threshold.push(leftBound(branch.mode, branch.threshold, `${where}: node ${id}`));
      missing.push((branch.missing === true) !== swapped ? 1 : 0);
      const [l, r] = swapped ? [branch.whenFalse, branch.whenTrue] : [branch.whenTrue, branch.whenFalse];
      open.push({ id: r, slot: right, parent: at }, { id: l, slot: left, parent: at });
    }
  }
  return {
    feature: Int32Array.from(feature),
    threshold: Float32Array.from(threshold),
    left: Int32Array.from(left),
    right: Int32Array.from(right),
    values: Float32Array.from(values),
    outputs,
    roots: Int32Array.from(roots),
    ...(missing.includes(1) && { missing: Uint8Array.from(missing) }),
    ...(source.statistics && { statistics: { impurity: Float64Array.from(impurity), weight: Float64Array.from(weight) } }),
  };
}

function finite(value: number, where: string): number {
  const single = Math.fround(value);
  if (Number.isFinite(single)) return single;
  throw new FormatError(`${where}: got ${value}, expected a finite float32`);
}

/** The float32 t for which "x <= t" is what the mode asks, or its opposite for > and >=. */
function leftBound(mode: BranchMode, threshold: number, where: string): number {
  if (Number.isNaN(threshold)) throw new UnsupportedError(`${where}: compares with NaN, expected a number`);
  const below = floorFloat32(threshold);
  if (mode === "<=" || mode === ">") return below;
  if (below !== threshold) return below;
  if (below === -Infinity) throw new UnsupportedError(`${where}: compares with -Infinity by "${mode}", expected "<=" or ">"`);
  return nextBelow(below);
}

/**
 * Adds a TreeEnsemble and its constants.
 * @param fresh a name like the given one that is not taken
 * @returns the output's name
 */
export function addTrees(
  builder: GraphBuilder,
  fresh: (base: string) => string,
  name: string,
  x: string,
  trees: Trees,
  attrs: TreeEnsembleAttrs,
  output: OutputSpec = {},
): string {
  const { feature, threshold, left, right, values, outputs, roots, missing, statistics } = trees;
  const n = feature.length;
  const constant = (role: string, dtype: DType, data: TypedArray, shape: Shape = [data.length]): string =>
    builder.constant(fresh(`${name}/${role}`), dtype, shape, data);
  const inputs = [
    x,
    constant("feature", "int32", feature),
    constant("threshold", "float32", threshold),
    constant("left", "int32", left),
    constant("right", "int32", right),
    constant("values", "float32", values, [n, outputs]),
    constant("roots", "int32", roots),
    missing === undefined ? "" : constant("missing", "uint8", missing),
    statistics === undefined ? "" : constant("impurity", "float64", statistics.impurity),
    statistics === undefined ? "" : constant("weight", "float64", statistics.weight),
  ];
  while (inputs.at(-1) === "") inputs.pop();
  return builder.add("TreeEnsemble", name, inputs, attrs, output);
}
