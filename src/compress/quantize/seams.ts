/**
 * Seams: tensors between ops where a positive factor for each channel can be taken out on one side and put in on the other, without a change of what the
 * net computes. What writes the tensor absorbs 1 / factor in weights, biases or constants, through ops that let positive factors pass; the layers that
 * read it absorb the factor in their weights. Factors are powers of two, so that the float net keeps its outputs to the bit.
 */
import { consumersOf, inputTensor, isConstant, outputTensor, producersOf, tensorOf } from "../../graph/access.ts";
import { elementCount } from "../../graph/dtype.ts";
import type { Activation, Constant, Graph, Node } from "../../graph/ir.ts";
import { channelAxis, isWeighted, withTensors } from "../layers.ts";
import type { WeightedNode } from "../layers.ts";

/** A constant by name, and the channel of the seam that each of its elements belongs to. */
export interface Side {
  readonly constant: string;
  readonly channelOf: (element: number) => number;
}

export interface Seam {
  /** The tensor that the layers read. Element i of it is of channel i % channels. */
  readonly tensor: string;
  readonly channels: number;
  /** What takes 1 / factor. The weights of a layer come first, where it is one. */
  readonly before: readonly Side[];
  /** Whether the tensor comes from a layer, `before[0]` being its weights. */
  readonly fromLayer: boolean;
  /** Weights of all layers that read the tensor: they take the factor. */
  readonly after: readonly Side[];
  /** The layers and constants' nodes that change. */
  readonly nodes: readonly Node[];
}

/** Larger ones would leave float32 where weights are small. */
const MOST_DOUBLINGS = 20;

/** In execution order of the layers that read. */
export function seamsOf(graph: Graph): readonly Seam[] {
  return new SeamFinder(graph).find();
}

/** The power of two that is nearest to a factor, on a logarithmic scale; 1 where the factor is no positive number. */
export function powerOfTwo(factor: number): number {
  if (!(factor > 0 && Number.isFinite(factor))) return 1;
  return 2 ** Math.min(Math.max(Math.round(Math.log2(factor)), -MOST_DOUBLINGS), MOST_DOUBLINGS);
}

/** Largest magnitude for each channel. */
export function magnitudes(graph: Graph, sides: readonly Side[], channels: number): Float64Array {
  const largest = new Float64Array(channels);
  for (const { constant, channelOf } of sides) {
    const { data } = tensorOf(graph, constant) as Constant;
    for (let i = 0; i < data.length; i++) {
      const c = channelOf(i);
      largest[c] = Math.max(largest[c]!, Math.abs(data[i]!));
    }
  }
  return largest;
}

/** @param factors powers of two, one for each channel */
export function moveFactors(graph: Graph, { before, after }: Seam, factors: ArrayLike<number>): Graph {
  const scaled = ({ constant, channelOf }: Side, by: (factor: number) => number): Constant => {
    const tensor = tensorOf(graph, constant) as Constant;
    return { ...tensor, data: Float32Array.from(tensor.data, (x, i) => x * by(factors[channelOf(i)]!)) };
  };
  return withTensors(graph, [...before.map((side) => scaled(side, (f) => 1 / f)), ...after.map((side) => scaled(side, (f) => f))]);
}

/** What absorbs a tensor's factors. */
interface Absorber {
  readonly channels: number;
  readonly sides: readonly Side[];
  readonly fromLayer: boolean;
  readonly nodes: readonly Node[];
}

class SeamFinder {
  readonly #graph: Graph;
  readonly #readers: ReadonlyMap<string, readonly Node[]>;
  readonly #writers: ReadonlyMap<string, Node>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#readers = consumersOf(graph);
    this.#writers = producersOf(graph);
  }

  find(): readonly Seam[] {
    const seams: Seam[] = [];
    const seen = new Set<string>();
    for (const node of this.#graph.nodes) {
      const tensor = node.inputs[0] ?? "";
      if (!isWeighted(node) || seen.has(tensor)) continue;
      seen.add(tensor);
      const seam = this.#seamAt(tensor);
      if (seam !== undefined) seams.push(seam);
    }
    return seams;
  }

  #seamAt(tensor: string): Seam | undefined {
    if (this.#graph.outputs.includes(tensor)) return undefined;
    const absorber = this.#absorberOf(tensor);
    if (absorber === undefined) return undefined;
    const after: Side[] = [];
    const readers = this.#readers.get(tensor) ?? [];
    for (const reader of readers) {
      const side = isWeighted(reader) && !reader.inputs.includes(tensor, 1) ? this.#inputSide(reader, absorber.channels) : undefined;
      if (side === undefined) return undefined;
      after.push(side);
    }
    const { channels, sides: before, fromLayer } = absorber;
    return { tensor, channels, before, fromLayer, after, nodes: [...absorber.nodes, ...readers] };
  }

  /** The weights of a layer that reads the seam's tensor. */
  #inputSide(node: WeightedNode, channels: number): Side | undefined {
    const weight = this.#own(node.inputs[1]!);
    if (weight === undefined) return undefined;
    const { name: constant, shape } = weight;
    if (node.op === "Dense") return { constant, channelOf: (i) => i % channels };
    if (inputTensor(this.#graph, node, 0)!.shape.at(-1) !== channels) return undefined;
    switch (node.op) {
      case "DepthwiseConv2D": {
        const multiplier = shape[3]! / channels;
        return { constant, channelOf: (i) => Math.floor((i % shape[3]!) / multiplier) };
      }
      case "Conv2D": {
        const [perGroup, taps] = [shape[3]!, shape[1]! * shape[2]!];
        const outputs = shape[0]! / node.attrs.groups;
        return { constant, channelOf: (i) => Math.floor(i / (taps * perGroup * outputs)) * perGroup + (i % perGroup) };
      }
      case "ConvTranspose2D":
        return undefined;
    }
  }

  #absorberOf(tensor: string): Absorber | undefined {
    const node = this.#writers.get(tensor);
    if (node === undefined) return undefined;
    if (isWeighted(node)) return this.#layer(node);
    switch (node.op) {
      case "Unary":
        return node.attrs.fn === "relu" || node.attrs.fn === "leakyrelu" ? this.#through(node) : undefined;
      case "MaxPool2D":
      case "AveragePool2D":
        return passesFactors(node.attrs.activation) ? this.#through(node) : undefined;
      case "Reduce": {
        const last = outputTensor(this.#graph, node).shape.at(-1);
        const { shape } = inputTensor(this.#graph, node, 0)!;
        const spatial = !node.attrs.axes.some((axis) => axis === shape.length - 1 || axis < 0) && last === shape.at(-1);
        return node.attrs.fn === "mean" && spatial ? this.#through(node) : undefined;
      }
      case "Pad": {
        const { before, after, mode, value } = node.attrs;
        return before.at(-1) === 0 && after.at(-1) === 0 && (mode !== "constant" || value === 0) ? this.#through(node) : undefined;
      }
      case "Reshape": {
        // Row-major, an element keeps its channel where both last axes hold whole sets of channels.
        const absorber = this.#through(node);
        return absorber !== undefined && outputTensor(this.#graph, node).shape.at(-1)! % absorber.channels === 0 ? absorber : undefined;
      }
      case "Binary":
        return this.#binary(node);
      default:
        return undefined;
    }
  }

  /** The absorber of the first input, which nobody else may read. */
  #through(node: Node, input = node.inputs[0]!): Absorber | undefined {
    if (this.#readers.get(input)!.length !== 1 || this.#graph.outputs.includes(input)) return undefined;
    return this.#absorberOf(input);
  }

  #layer(node: WeightedNode): Absorber | undefined {
    if (node.op === "ConvTranspose2D" || !passesFactors(node.attrs.activation)) return undefined;
    const weight = this.#own(node.inputs[1]!);
    if (weight === undefined) return undefined;
    const axis = channelAxis(node.op);
    const inner = elementCount(weight.shape.slice(axis + 1));
    const channels = weight.shape[axis]!;
    const sides: Side[] = [{ constant: weight.name, channelOf: (i) => Math.floor(i / inner) % channels }];
    if (node.inputs[2] !== undefined && node.inputs[2] !== "") {
      const bias = this.#own(node.inputs[2]);
      if (bias === undefined) return undefined;
      sides.push({ constant: bias.name, channelOf: (i) => i });
    }
    return { channels, sides, fromLayer: true, nodes: [node] };
  }

  /** A product with a constant for each channel absorbs a factor itself; a sum needs the other operand to do so too. */
  #binary(node: Node & { readonly op: "Binary" }): Absorber | undefined {
    if (!passesFactors(node.attrs.activation)) return undefined;
    const [a, b] = node.inputs as readonly [string, string];
    const [x, name] = isConstant(tensorOf(this.#graph, b)) ? [a, b] : [b, a];
    const constant = this.#own(name);
    const channels = outputTensor(this.#graph, node).shape.at(-1);
    if (constant === undefined || channels === undefined) return undefined;
    if (constant.data.length !== channels || constant.shape.at(-1) !== channels) return undefined;
    const side: Side = { constant: constant.name, channelOf: (i) => i };
    if (node.attrs.fn === "mul") return { channels, sides: [side], fromLayer: false, nodes: [node] };
    if (node.attrs.fn !== "add" && node.attrs.fn !== "sub") return undefined;
    const other = this.#through(node, x);
    if (other?.channels !== channels) return undefined;
    return { ...other, sides: [...other.sides, side], nodes: [...other.nodes, node] };
  }

  /** A float constant that only one node reads, and that no code stands for: its values may change. */
  #own(name: string): Constant | undefined {
    const tensor = tensorOf(this.#graph, name);
    const changeable = isConstant(tensor) && tensor.dtype === "float32" && tensor.code === undefined;
    return changeable && this.#readers.get(name)!.length === 1 && !this.#graph.outputs.includes(name) ? tensor : undefined;
  }
}

/** f(s × x) = s × f(x) for s > 0 */
function passesFactors(activation: Activation | undefined): boolean {
  if (activation === undefined) return true;
  return activation.kind === "clamp" && (activation.min === 0 || activation.min === -Infinity) && activation.max === Infinity;
}
