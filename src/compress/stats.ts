/**
 * What a graph holds and costs, layer by layer. A multiply-accumulate (MAC) counts for each weight times each use of it; pools,
 * elementwise ops and moves count none. Effective MACs leave out weights that are zero.
 */
import { isFloat } from "../graph/dtype.ts";
import { inputTensor, isConstant, outputTensor, requireInput, tensorOf } from "../graph/access.ts";
import { storedBytes, weightBits } from "../graph/code.ts";
import { countNonzero, effectiveMacsOf, macsOf } from "../graph/cost.ts";
import type { Constant, Graph, Node, NodeWith, Tensor } from "../graph/ir.ts";
import { isLeaf, isTree, treesOf } from "../graph/tree.ts";

export interface LayerStats {
  readonly node: string;
  readonly op: string;
  /** Input 0, as `dtype shape`. */
  readonly input: string;
  readonly output: string;
  /** Elements of the weights and biases that this node reads. */
  readonly params: number;
  readonly nonzeroParams: number;
  /** Bytes of those, as in the totals. */
  readonly weightBytes: number;
  readonly macs: number;
  readonly effectiveMacs: number;
  /** Of the weights, biases aside; absent without weights. */
  readonly weight?: {
    readonly shape: readonly number[];
    readonly count: number;
    readonly nonzero: number;
    /** 0..1 */
    readonly sparsity: number;
    /** Different values, or codes. */
    readonly distinct: number;
    /** Of one element as stored. */
    readonly bits: number;
  };
}

export interface GraphTotals {
  /** Elements of all weights and biases, each constant once. */
  readonly params: number;
  readonly nonzeroParams: number;
  /** Bytes of those constants in their own dtypes, scales and zero points aside; of a compact code where they have one, tables and scales included. */
  readonly weightBytes: number;
  readonly macs: number;
  readonly effectiveMacs: number;
}

export interface GraphStats {
  readonly layers: readonly LayerStats[];
  readonly totals: GraphTotals;
}

export function graphStats(graph: Graph): GraphStats {
  const layers = graph.nodes.map((node) => layerStats(graph, node));
  const sum = (value: (layer: LayerStats) => number): number => layers.reduce((total, layer) => total + value(layer), 0);
  return {
    layers,
    totals: {
      ...held(graph, graph.nodes),
      macs: sum((layer) => layer.macs),
      effectiveMacs: sum((layer) => layer.effectiveMacs),
    },
  };
}

/** Constants that take part in arithmetic: floats, and integers on a grid. Shapes and indices are not parameters. */
function parametersOf(graph: Graph, nodes: readonly Node[]): readonly Constant[] {
  const found = new Map<string, Constant>();
  for (const node of nodes) {
    for (const name of isTree(node) ? [] : node.inputs) {
      if (name === "") continue;
      const tensor = tensorOf(graph, name);
      if (isConstant(tensor) && (isFloat(tensor.dtype) || tensor.quant !== undefined)) found.set(name, tensor);
    }
  }
  return [...found.values()];
}

function held(graph: Graph, nodes: readonly Node[]): Pick<GraphTotals, "params" | "nonzeroParams" | "weightBytes"> {
  const parts = [
    ...parametersOf(graph, nodes).map((tensor) => ({
      params: tensor.data.length,
      nonzeroParams: countNonzero(tensor),
      weightBytes: storedBytes(tensor),
    })),
    ...nodes.filter(isTree).map((node) => heldByTrees(graph, node)),
  ];
  const sum = (value: (part: (typeof parts)[number]) => number): number => parts.reduce((total, part) => total + value(part), 0);
  return { params: sum((p) => p.params), nonzeroParams: sum((p) => p.nonzeroParams), weightBytes: sum((p) => p.weightBytes) };
}

/** A comparison is a feature, a threshold and two children of four bytes each. */
const BRANCH_BYTES = 16;

/** Of decision trees: thresholds and the values of leaves. What pruning knows of the nodes is no part of the model. */
function heldByTrees(graph: Graph, node: NodeWith<"TreeEnsemble">): Pick<GraphTotals, "params" | "nonzeroParams" | "weightBytes"> {
  const trees = treesOf(graph, node);
  const { left, threshold, values, outputs } = trees;
  let [branches, nonzero] = [0, 0];
  for (let i = 0; i < left.length; i++) {
    if (!isLeaf(trees, i)) {
      branches++;
      if (threshold[i] !== 0) nonzero++;
    } else for (let c = 0; c < outputs; c++) if (values[i * outputs + c] !== 0) nonzero++;
  }
  const leafValues = (left.length - branches) * outputs;
  return { params: branches + leafValues, nonzeroParams: nonzero, weightBytes: BRANCH_BYTES * branches + 4 * leafValues };
}

function layerStats(graph: Graph, node: Node): LayerStats {
  const weight = weightOf(graph, node);
  const nonzero = weight === undefined ? 0 : countNonzero(weight);
  const input = inputTensor(graph, node, 0);
  return {
    node: node.name,
    op: opLabel(node),
    input: input === undefined ? "" : typeText(input),
    output: typeText(outputTensor(graph, node)),
    ...held(graph, [node]),
    macs: macsOf(graph, node),
    effectiveMacs: effectiveMacsOf(graph, node),
    ...(weight && {
      weight: {
        shape: weight.shape,
        count: weight.data.length,
        nonzero,
        sparsity: weight.data.length === 0 ? 0 : 1 - nonzero / weight.data.length,
        distinct: new Set(weight.data).size,
        bits: weightBits(weight),
      },
    }),
  };
}

function weightOf(graph: Graph, node: Node): Constant | undefined {
  switch (node.op) {
    case "Conv2D":
    case "DepthwiseConv2D":
    case "ConvTranspose2D":
    case "Dense":
    case "MatMul": {
      const weight = requireInput(graph, node, 1);
      return isConstant(weight) ? weight : undefined;
    }
    default:
      return undefined;
  }
}

function opLabel(node: Node): string {
  switch (node.op) {
    case "Binary":
    case "Unary":
    case "Reduce":
      return `${node.op} ${node.attrs.fn}`;
    default:
      return node.op;
  }
}

function typeText(tensor: Tensor): string {
  return `${tensor.dtype} [${tensor.shape.join(", ")}]`;
}
