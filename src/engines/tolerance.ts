/**
 * How far another engine's floats may lie from the CPU engine's, derived instead of chosen.
 *
 * One op (XNNPACK's form): a result that is a sum of K products, each rounded to float32, errs by at most
 * max|product| × (K × eps + eps), where eps = 2^-23 and the second eps is the last store.
 *
 * A graph: layer l adds a relative error of at most K_l × eps to what it passes on. To first order, and with layers that neither
 * amplify nor damp on the way to the output (gain 1; trained networks with normalized or saturating layers stay near it, and the
 * worst case K_l is itself about sqrt(K_l) times what happens), the relative error of an output is the sum over the compute nodes that
 * it depends on: tolerance = eps × Σ K_l × max|reference output|. Integer results have no tolerance at all.
 *
 * A layer that quantizes its input at run time (`dynamic`) computes the same bits everywhere from the same bits. Where its input is not the same to the
 * bit, any of its values may fall onto the neighbouring one of 255 steps: a relative error of 1/255, which it passes on like any other.
 */
import { invariant } from "../errors.ts";
import { inputTensor, outputTensor, producersOf, requireInput, tensorOf } from "../graph/access.ts";
import { isFloat } from "../graph/dtype.ts";
import type { TypedArray } from "../graph/dtype.ts";
import { isDynamic } from "../graph/dynamic.ts";
import { TREE_INPUT } from "../graph/tree.ts";
import type { Graph, Node, UnaryFn } from "../graph/ir.ts";

/** Distance from 1 to the next float32. */
export const EPSILON_32 = 2 ** -23;

/**
 * Roundings of one evaluation of exp, tanh, …: WGSL grants exp 3 + 2|x| units in the last place and derives the others from it; 32
 * covers arguments up to 14, beyond which sigmoid, tanh and erf are flat.
 */
const TRANSCENDENTAL = 32;

const UNARY_ROUNDINGS: Readonly<Record<UnaryFn, number>> = {
  relu: 0,
  clip: 0,
  abs: 0,
  neg: 0,
  floor: 0,
  ceil: 0,
  leakyrelu: 1,
  hardsigmoid: 3,
  hardswish: 4,
  sqrt: 3,
  reciprocal: 3,
  sigmoid: TRANSCENDENTAL,
  tanh: TRANSCENDENTAL,
  exp: TRANSCENDENTAL,
  log: TRANSCENDENTAL,
  erf: TRANSCENDENTAL,
};

/** K of a node: roundings that meet in one element of its output; 0 for ops that only move or select, and for integer results. */
export function roundings(graph: Graph, node: Node): number {
  if (!isFloat(outputTensor(graph, node).dtype)) return 0;
  const x = requireInput(graph, node, 0).shape;
  const activation = "activation" in node.attrs && node.attrs.activation.kind === "hardswish" ? UNARY_ROUNDINGS.hardswish : 0;
  switch (node.op) {
    case "Conv2D":
    case "ConvTranspose2D": {
      if (isDynamic(node)) return activation;
      const [, kh = 1, kw = 1, c = 1] = requireInput(graph, node, 1).shape;
      return kh * kw * c + biasTerm(graph, node) + activation;
    }
    case "DepthwiseConv2D": {
      const [, kh = 1, kw = 1] = requireInput(graph, node, 1).shape;
      return kh * kw + biasTerm(graph, node) + activation;
    }
    case "Dense":
      if (isDynamic(node)) return activation;
      return x[x.length - 1]! + biasTerm(graph, node) + activation;
    case "MatMul":
      return node.attrs.transposeA && x.length > 1 ? x[x.length - 2]! : x[x.length - 1]!;
    case "Binary":
      return (node.attrs.fn === "pow" ? TRANSCENDENTAL : node.attrs.fn === "div" ? 3 : 1) + activation;
    case "Unary":
      return UNARY_ROUNDINGS[node.attrs.fn];
    case "Softmax":
      return x[node.attrs.axis]! + TRANSCENDENTAL;
    case "AveragePool2D":
      return node.attrs.kernel[0] * node.attrs.kernel[1] + 3;
    case "Reduce":
      if (node.attrs.fn === "max" || node.attrs.fn === "min") return 0;
      return node.attrs.axes.reduce((n, axis) => n * x[axis]!, 1) + 3;
    case "Resize":
      // Coordinates in float32 err by their own size × eps, and so do the weights.
      return node.attrs.mode === "nearest" ? 0 : x.length * 4 + Math.max(...outputTensor(graph, node).shape);
    case "TreeEnsemble": {
      // The leaf of a single tree is the output itself; the mean multiplies by a rounded reciprocal.
      const trees = requireInput(graph, node, TREE_INPUT.roots).shape[0]!;
      return trees === 1 ? 0 : trees + (node.attrs.aggregate === "average" ? 2 : 0);
    }
    case "Cast":
      return 1;
    case "BatchNorm":
      return 4;
    default:
      return 0;
  }
}

/** One step of an 8-bit grid, relative to its range. */
const DYNAMIC_STEP = 1 / 255;

function biasTerm(graph: Graph, node: Node): number {
  return inputTensor(graph, node, 2) === undefined ? 0 : 1;
}

/**
 * Tolerance of one node's float32 output, for op tests.
 * @param inputs what the node read; for products their magnitudes bound max|product|
 * @param reference what the CPU engine computed from them
 */
export function nodeTolerance(graph: Graph, node: Node, inputs: readonly (TypedArray | undefined)[], reference: TypedArray): number {
  const k = roundings(graph, node);
  if (k === 0) return 0;
  const magnitudes = inputs.map((data) => (data === undefined ? 0 : maxMagnitude(data)));
  const [a = 0, b = 0, c = 0] = magnitudes;
  const products = node.op === "MatMul" || node.op === "Dense" || node.op.includes("Conv");
  if (node.op === "TreeEnsemble") {
    const partialSum = magnitudes[TREE_INPUT.values]! * (node.attrs.aggregate === "average" ? 1 : k);
    return partialSum * k * EPSILON_32;
  }
  const largest = maxMagnitude(reference);
  // A quotient of positive sums errs relative to itself; a rounding of x shifts exp(x) by |x| eps of its value.
  if (node.op === "Softmax") return largest * (k + 1 + a) * EPSILON_32;
  const terms = products ? Math.max(a * b, c) : node.op === "Binary" && node.attrs.fn !== "add" && node.attrs.fn !== "sub" ? 0 : a;
  return Math.max(largest, terms) * (k * EPSILON_32 + EPSILON_32);
}

/**
 * Tolerance of each graph output, in order; 0 where it is an integer or nothing before it rounds.
 * @param reference the CPU engine's outputs
 */
export function graphTolerance(graph: Graph, reference: readonly TypedArray[]): readonly number[] {
  const producers = producersOf(graph);
  return graph.outputs.map((output, i) => {
    if (!isFloat(tensorOf(graph, output).dtype)) return 0;
    let [total, steps] = [0, 0];
    for (const node of behind(producers, output)) {
      total += roundings(graph, node);
      const isInexact = isDynamic(node) && behind(producers, node.inputs[0]!).some((before) => roundings(graph, before) > 0);
      if (isInexact) steps++;
    }
    return (EPSILON_32 * total + DYNAMIC_STEP * steps) * maxMagnitude(reference[i]!);
  });
}

/** The nodes that a tensor depends on. */
function behind(producers: ReadonlyMap<string, Node>, tensor: string): readonly Node[] {
  const seen = new Set<Node>();
  const pending = [tensor];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const node = producers.get(name);
    if (node === undefined || seen.has(node)) continue;
    seen.add(node);
    pending.push(...node.inputs);
  }
  return [...seen];
}

/** Largest finite |x|; 0 when there is none. */
function maxMagnitude(data: TypedArray): number {
  let max = 0;
  for (let i = 0; i < data.length; i++) {
    const v = Math.abs(data[i]!);
    if (v > max && v < Infinity) max = v;
  }
  return max;
}

export interface Comparison {
  /** Every element equal to the bit (zeros of either sign are equal, NaN equals NaN). */
  readonly exact: boolean;
  readonly maxAbsError: number;
  /** Of the output with the worst element. */
  readonly tolerance: number;
  /** Position of the worst element: which output, and where in it. */
  readonly worstOutput: number;
  readonly worstIndex: number;
  readonly pass: boolean;
  /** One line: the worst element, what it is, what it should be, and by how much it misses; empty when exact. */
  readonly message: string;
}

/**
 * Integer arrays must be equal whatever the tolerance. Fails when a tolerance reaches the range of the reference values (zero
 * included): such a comparison could not tell right from wrong.
 * @param tolerances one per output, or one for all
 */
export function compareOutputs(
  reference: readonly TypedArray[],
  actual: readonly TypedArray[],
  tolerances: number | readonly number[],
): Comparison {
  invariant(reference.length === actual.length, `comparing ${actual.length} outputs with ${reference.length}`);
  let worst: { readonly output: number; readonly index: number; readonly error: number; readonly tolerance: number } | undefined;
  let exact = true;
  let meaningless = "";
  for (let o = 0; o < reference.length; o++) {
    const want = reference[o]!;
    const got = actual[o]!;
    invariant(want.length === got.length, `comparing output ${o} of ${got.length} elements with ${want.length}`);
    const float = want instanceof Float32Array || want instanceof Float64Array;
    const tolerance = float ? (typeof tolerances === "number" ? tolerances : tolerances[o]!) : 0;
    const error = worstElement(want, got);
    if (error.error > 0) exact = false;
    if (tolerance > 0 && tolerance >= valueRange(want)) meaningless = `output ${o}: tolerance ${tolerance} reaches the range of the values`;
    if (worst === undefined || error.error - tolerance > worst.error - worst.tolerance) worst = { ...error, output: o, tolerance };
  }
  if (worst === undefined) return { exact, maxAbsError: 0, tolerance: 0, worstOutput: 0, worstIndex: 0, pass: true, message: "" };
  const inside = worst.error <= worst.tolerance;
  const want = reference[worst.output]![worst.index]!;
  const got = actual[worst.output]![worst.index]!;
  const ulps = Math.abs(want - got) / Math.max(Math.abs(want) * EPSILON_32, 2 ** -149);
  return {
    exact,
    maxAbsError: worst.error,
    tolerance: worst.tolerance,
    worstOutput: worst.output,
    worstIndex: worst.index,
    pass: inside && (exact || meaningless === ""),
    message: exact
      ? ""
      : `output ${worst.output}, element ${worst.index}: got ${got}, expected ${want}, error ${worst.error} (${ulps.toPrecision(2)} ulp), tolerance ${worst.tolerance}` +
        (meaningless === "" ? "" : `; ${meaningless}`),
  };
}

function worstElement(want: TypedArray, got: TypedArray): { readonly index: number; readonly error: number } {
  let index = 0;
  let error = 0;
  for (let i = 0; i < want.length; i++) {
    const a = want[i]!;
    const b = got[i]!;
    if (a === b || (a !== a && b !== b)) continue;
    const difference = Math.abs(a - b);
    const e = difference === difference ? difference : Infinity;
    if (e > error) {
      error = e;
      index = i;
    }
  }
  return { index, error };
}

/** Largest minus smallest finite value, with 0 counted in. */
function valueRange(data: TypedArray): number {
  let lo = 0;
  let hi = 0;
  for (let i = 0; i < data.length; i++) {
    const v = data[i]!;
    if (v < lo && v > -Infinity) lo = v;
    if (v > hi && v < Infinity) hi = v;
  }
  return hi - lo;
}
