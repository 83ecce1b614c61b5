/**
 * What of a compressed graph still has the original's values: everything before the first change. Whoever evaluates many changes of one layer
 * computes that part once, and each changed graph from there on.
 */
import { isDeepStrictEqual } from "node:util";
import { isConstant, producersOf, tensorOf } from "../graph/access.ts";
import type { Graph, Node, Tensor } from "../graph/ir.ts";

/** Names of tensors, constants among them, that hold in both graphs the same for the same inputs, whatever computes them. */
export function unchangedTensors(original: Graph, changed: Graph): ReadonlySet<string> {
  const before = producersOf(original);
  const same = new Set<string>();
  for (const [name, tensor] of changed.tensors) {
    const other = original.tensors.get(name);
    if (other !== undefined && isConstant(tensor) && isSameConstant(other, tensor)) same.add(name);
  }
  for (const name of changed.inputs) {
    const other = original.tensors.get(name);
    if (original.inputs.includes(name) && other !== undefined && isSameType(other, tensorOf(changed, name))) same.add(name);
  }
  for (const node of changed.nodes) {
    for (const name of node.outputs) {
      const other = original.tensors.get(name);
      const producer = before.get(name);
      if (other === undefined || producer === undefined || !isSameType(other, tensorOf(changed, name))) continue;
      if (isSameOp(producer, node) && node.inputs.every((input) => input === "" || same.has(input))) same.add(name);
    }
  }
  return same;
}

function isSameOp(a: Node, b: Node): boolean {
  return (
    a === b ||
    (a.op === b.op &&
      isDeepStrictEqual(a.inputs, b.inputs) &&
      isDeepStrictEqual(a.outputs, b.outputs) &&
      isDeepStrictEqual(a.attrs, b.attrs))
  );
}

function isSameType(a: Tensor, b: Tensor): boolean {
  return a === b || (a.dtype === b.dtype && isDeepStrictEqual(a.shape, b.shape) && isDeepStrictEqual(a.quant, b.quant));
}

/** Kernels choose by code and pattern, so constants that differ in them differ. */
function isSameConstant(a: Tensor, b: Tensor): boolean {
  if (a === b) return true;
  if (!isSameType(a, b) || a.data?.length !== b.data?.length || !isDeepStrictEqual(a.sparsity, b.sparsity) || a.code !== b.code)
    return false;
  return a.data === b.data || (a.data ?? []).every((value, i) => Object.is(value, b.data?.[i]));
}

/**
 * The part of a graph that computes some tensors from others.
 * @param outputs none of them known
 * @param known tensors that need no computing; constants may be among them
 * @returns its inputs are those known tensors that it reads, or inputs of the graph
 */
export function coneOf(graph: Graph, outputs: readonly string[], known: ReadonlySet<string>): Graph {
  const producers = producersOf(graph);
  const needed = new Set<Node>();
  const used = new Set<string>();
  const inputs = new Set<string>();
  const pending = [...outputs];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === "" || used.has(name)) continue;
    used.add(name);
    if (isConstant(tensorOf(graph, name))) continue;
    const node = known.has(name) ? undefined : producers.get(name);
    if (node === undefined) {
      inputs.add(name);
      continue;
    }
    needed.add(node);
    pending.push(...node.inputs);
  }
  const names = [...graph.tensors.keys()].filter((name) => used.has(name));
  return {
    name: graph.name,
    inputs: names.filter((name) => inputs.has(name)),
    outputs,
    tensors: new Map(names.map((name) => [name, tensorOf(graph, name)])),
    nodes: graph.nodes.filter((node) => needed.has(node)),
  };
}

/** Nodes whose time is a kernel's, as the race of layers counts it. */
const PRODUCTS: readonly string[] = ["Conv2D", "DepthwiseConv2D", "ConvTranspose2D", "Dense", "MatMul"];

/** Products that are not executed as before: other weights, or other types or shapes of what they read or write. */
export function changedProducts(original: Graph, changed: Graph): readonly Node[] {
  const before = new Map(original.nodes.map((node) => [node.name, node]));
  return changed.nodes.filter((node) => {
    if (!PRODUCTS.includes(node.op)) return false;
    const other = before.get(node.name);
    return other === undefined || !isSameWork(original, other, changed, node);
  });
}

function isSameWork(original: Graph, a: Node, changed: Graph, b: Node): boolean {
  if (a.op !== b.op || !isDeepStrictEqual(a.attrs, b.attrs) || a.inputs.length !== b.inputs.length) return false;
  const pairs = [...a.inputs.map((name, i) => [name, b.inputs[i] ?? ""]), ...a.outputs.map((name, i) => [name, b.outputs[i] ?? ""])];
  return pairs.every(([from = "", to = ""]) => {
    if (from === "" || to === "") return from === to;
    const [x, y] = [tensorOf(original, from), tensorOf(changed, to)];
    if (isConstant(x) || isConstant(y)) return isSameConstant(x, y);
    return x.dtype === y.dtype && isDeepStrictEqual(x.shape, y.shape);
  });
}

/** Some nodes of a graph as a graph of their own: what they read from the rest becomes inputs, what they write outputs. */
export function graphOfNodes(graph: Graph, nodes: readonly Node[]): Graph {
  const outputs = nodes.flatMap((node) => node.outputs);
  const reads = [...new Set(nodes.flatMap((node) => node.inputs))].filter((name) => name !== "");
  return {
    name: nodes.map(({ name }) => name).join(" "),
    inputs: reads.filter((name) => !outputs.includes(name) && !isConstant(tensorOf(graph, name))),
    outputs,
    tensors: new Map([...reads, ...outputs].map((name) => [name, tensorOf(graph, name)])),
    nodes,
  };
}
