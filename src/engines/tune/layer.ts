/**
 * One node of a graph as a graph of its own, its measurement's key, and inputs for it. The key holds the exact shape, not a bucket: tiles
 * leave remainders, a verdict is quoted in records as measured for that very layer, and there are only as many entries as distinct layers.
 * Of the weights it holds what kernels choose by: type, and the shares of zeros in steps of 5 %.
 */
import { inputTensor, isConstant, outputTensor, tensorOf } from "../../graph/access.ts";
import { createArray, elementCount, isFloat } from "../../graph/dtype.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import type { Constant, Graph, Node, Tensor } from "../../graph/ir.ts";
import { integerRange } from "../../graph/numerics.ts";
import { fingerprint } from "./hash.ts";

/** Outputs that share an index in the widest block that kernels skip; narrower ones are shares of their own in the key. */
const BLOCKS = [8, 4, 1] as const;
/** Steps of 5 %. */
const BUCKETS = 20;

/** The node with its constants; what else it reads becomes an input. */
export function layerGraph(graph: Graph, node: Node): Graph {
  const names = [...new Set([...node.inputs.filter((name) => name !== ""), ...node.outputs])];
  return {
    name: node.name,
    inputs: [...new Set(node.inputs.filter((name) => name !== "" && !isConstant(tensorOf(graph, name))))],
    outputs: node.outputs,
    tensors: new Map(names.map((name) => [name, tensorOf(graph, name)])),
    nodes: [node],
  };
}

export function hasConstantWeights(graph: Graph, node: Node): boolean {
  const weights = inputTensor(graph, node, 1);
  return weights !== undefined && isConstant(weights) && weights.data.length > 0 && !outputTensor(graph, node).shape.includes(0);
}

/**
 * @param node with constant weights
 * @param kernels all that could execute it: another choice is another question
 */
export function layerKey(graph: Graph, node: Node, kernels: readonly string[]): string {
  const weights = inputTensor(graph, node, 1) as Constant;
  const [x, y] = [tensorOf(graph, node.inputs[0] ?? ""), outputTensor(graph, node)];
  const words = [
    node.op.toLowerCase(),
    ...[x, weights, y].map(({ dtype, shape }) => `${dtype}_${shape.join("x")}`),
    ...zeroShares(node, weights).map((share, i) => `z${BLOCKS[i]!}_${Math.round(share * BUCKETS) * (100 / BUCKETS)}`),
  ];
  const rest = JSON.stringify([node.attrs, node.inputs.length, weights.sparsity ?? null, [...kernels].sort()]);
  return [...words, fingerprint(rest)].join("-").replace(/[^A-Za-z0-9_-]/g, "_");
}

/** Per entry of BLOCKS, the share of blocks of so many consecutive outputs that are zero. */
function zeroShares(node: Node, { data, shape, quant }: Constant): readonly number[] {
  const outputsLast = node.op === "DepthwiseConv2D" || (node.op === "MatMul" && !node.attrs.transposeB);
  const n = (outputsLast ? shape.at(-1) : shape[0]) ?? 1;
  const k = data.length / n;
  const [outputStep, step] = outputsLast ? [1, n] : [k, 1];
  const zeros = Float64Array.from({ length: n }, (_, j) => quant?.zeroPoints[quant.axis === undefined ? 0 : j] ?? 0);
  return BLOCKS.map((size) => {
    let empty = 0;
    for (let first = 0; first < n; first += size) {
      const last = Math.min(n, first + size);
      for (let i = 0; i < k; i++) {
        let j = first;
        while (j < last && data[j * outputStep + i * step] === zeros[j]) j++;
        if (j === last) empty++;
      }
    }
    return empty / (Math.ceil(n / size) * k);
  });
}

/** Deterministic noise: -0.5..0.5 for floats, the whole range for integers. */
export function layerInputs(graph: Graph): readonly TypedArray[] {
  return graph.inputs.map((name) => noise(tensorOf(graph, name)));
}

function noise({ dtype, shape }: Tensor): TypedArray {
  const array = createArray(dtype, elementCount(shape));
  const [lowest, highest] = isFloat(dtype) ? [-0.5, 0.5] : dtype === "int8" || dtype === "uint8" ? integerRange(dtype) : [0, 1];
  let state = 1;
  for (let i = 0; i < array.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const u = (state >>> 8) / 2 ** 24;
    array[i] = isFloat(dtype) ? lowest + u * (highest - lowest) : Math.floor(lowest + u * (highest - lowest + 1));
  }
  return array;
}
