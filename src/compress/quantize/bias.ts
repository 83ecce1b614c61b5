/**
 * Bias correction: rounding weights and clipping inputs shifts what a layer gives on average; the bias takes the shift back, channel by channel. A layer is
 * linear, so its mean output over the samples is its output for the mean input: one pass takes the means of each layer's float input and of the same
 * input on its grid, and each layer runs once on either, with float and with quantized weights. After Nagel et al., Data-Free Quantization Through
 * Weight Equalization and Bias Correction (2019), section 4.2, with means of samples in place of batch norm's; what layers before shift is not part of it.
 */
import { invariant } from "../../errors.ts";
import { consumersOf, isConstant, tensorOf } from "../../graph/access.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import { elementCount } from "../../graph/dtype.ts";
import type { Constant, Graph, Node, Quantization } from "../../graph/ir.ts";
import { inverseScale, quantizeValue } from "../../graph/numerics.ts";
import { channelAxis, isWeighted, layersOf, withTensors } from "../layers.ts";
import type { Layer } from "../layers.ts";
import type { CompressContext } from "../steps.ts";
import { observeSamples } from "./calibrate.ts";
import { INT8_FORM } from "./params.ts";
import type { ActivationForm } from "./params.ts";
import { freeName } from "./split.ts";
import { WEIGHT_LIMIT, biasLimitOf, quantizeLayer } from "./weights.ts";
import type { LimitOf } from "./weights.ts";

interface Means {
  readonly float: Float64Array;
  readonly onGrid: Float64Array;
}

/**
 * @param integer nodes that will run on integers
 * @param grids of their inputs
 * @param step text of the recipe step, for messages
 * @returns the float graph with corrected biases, and the same nodes in it
 * @throws UsageError without samples
 */
export async function correctBiases(
  graph: Graph,
  integer: ReadonlySet<Node>,
  grids: ReadonlyMap<string, Quantization>,
  context: CompressContext,
  step: string,
  form: ActivationForm = INT8_FORM,
  limitOf: LimitOf = () => WEIGHT_LIMIT,
): Promise<{ readonly graph: Graph; readonly integer: ReadonlySet<Node> }> {
  const [qmin, qmax] = form.codes;
  const layers = layersOf(graph).filter(({ node }) => integer.has(node) && !isConstant(tensorOf(graph, node.inputs[0]!)));
  const means = new Map<string, Means>();
  for (const { node } of layers) {
    const size = elementCount(tensorOf(graph, node.inputs[0]!).shape);
    means.set(node.inputs[0]!, { float: new Float64Array(size), onGrid: new Float64Array(size) });
  }
  const samples = await observeSamples(graph, context, step, (name, data) => {
    const sums = means.get(name);
    if (sums === undefined) return;
    const { scale, zeroPoint } = paramsOf(grids, name);
    const inverse = inverseScale(scale);
    for (let i = 0; i < data.length; i++) {
      const x = data[i]!;
      sums.float[i]! += x;
      sums.onGrid[i]! += (quantizeValue(x, inverse, zeroPoint, qmin, qmax) - zeroPoint) * scale;
    }
  });
  for (const { float, onGrid } of means.values()) {
    for (let i = 0; i < float.length; i++) {
      float[i]! /= samples;
      onGrid[i]! /= samples;
    }
  }
  const shifts = await shiftsOf(graph, layers, means, grids, context, limitOf, form);
  return withBiases(graph, integer, layers, shifts);
}

function paramsOf(grids: ReadonlyMap<string, Quantization>, name: string): { readonly scale: number; readonly zeroPoint: number } {
  const quant = grids.get(name);
  invariant(quant !== undefined, `tensor "${name}" has no grid`);
  return { scale: quant.scales[0]!, zeroPoint: quant.zeroPoints[0]! };
}

/** Per layer and output channel: mean float output minus mean quantized output. */
async function shiftsOf(
  graph: Graph,
  layers: readonly Layer[],
  means: ReadonlyMap<string, Means>,
  grids: ReadonlyMap<string, Quantization>,
  context: CompressContext,
  limitOf: LimitOf,
  form: ActivationForm,
): Promise<readonly Float64Array[]> {
  const b = new GraphBuilder("bias-correction");
  const inputs: Float32Array[] = [];
  const outputs: string[] = [];
  layers.forEach(({ node, weight, bias }, i) => {
    const name = node.inputs[0]!;
    const { shape } = tensorOf(graph, name);
    const { float, onGrid } = means.get(name)!;
    const { weight: codes, weightQuant } = quantizeLayer(
      weight,
      channelAxis(node.op),
      bias?.data,
      paramsOf(grids, name).scale,
      limitOf(node.name),
      biasLimitOf(form),
    );
    const rounded = codesAsFloats(codes, weight, weightQuant);
    for (const [kind, mean, data] of [
      ["float", float, weight.data],
      ["int8", onGrid, rounded],
    ] as const) {
      const x = b.input(`x${i}_${kind}`, "float32", shape);
      inputs.push(Float32Array.from(mean));
      const w = b.constant(`w${i}_${kind}`, "float32", weight.shape, data);
      outputs.push(linear(b, node, `y${i}_${kind}`, [x, w]));
    }
  });
  invariant(context.observe !== undefined, "bias correction without an observer");
  const results = await context.observe(b.finish(outputs)).run(inputs, () => undefined);
  return layers.map((_, i) =>
    meanDifference(results[2 * i]!, results[2 * i + 1]!, tensorOf(graph, layers[i]!.node.outputs[0]!).shape.at(-1)!),
  );
}

/** The layer without bias and activation. */
function linear(b: GraphBuilder, node: Node, name: string, inputs: readonly string[]): string {
  invariant(isWeighted(node), `${node.op} has no weights`);
  const attrs: Record<string, unknown> = { ...node.attrs };
  delete attrs["activation"];
  return b.add(node.op, name, inputs, attrs);
}

function codesAsFloats(codes: Int8Array, weight: Constant, { scales, axis }: Quantization): Float32Array {
  const inner = axis === undefined ? 1 : elementCount(weight.shape.slice(axis + 1));
  return Float32Array.from(codes, (code, i) => code * scales[axis === undefined ? 0 : Math.floor(i / inner) % scales.length]!);
}

/** Per index of the last axis, averaged over the others. */
function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>, channels: number): Float64Array {
  const sums = new Float64Array(channels);
  for (let i = 0; i < a.length; i++) sums[i % channels]! += a[i]! - b[i]!;
  return sums.map((sum) => sum / (a.length / channels));
}

/** A bias that another node reads, or that is not there, becomes a constant of its own. */
function withBiases(
  graph: Graph,
  integer: ReadonlySet<Node>,
  layers: readonly Layer[],
  shifts: readonly Float64Array[],
): { readonly graph: Graph; readonly integer: ReadonlySet<Node> } {
  const readers = consumersOf(graph);
  const tensors = new Map(graph.tensors);
  const added: Constant[] = [];
  const renamed = new Map<Node, string>();
  layers.forEach(({ node, bias }, i) => {
    const shift = shifts[i]!;
    const own = bias !== undefined && readers.get(bias.name)!.length === 1 && !graph.outputs.includes(bias.name);
    const name = own ? bias.name : freeName(`${node.name}_bias`, tensors);
    const data = Float32Array.from(shift, (s, c) => (bias?.data?.[c] ?? 0) + s);
    const constant: Constant = { name, dtype: "float32", shape: [data.length], data };
    tensors.set(name, constant);
    added.push(constant);
    if (!own) renamed.set(node, name);
  });
  const changed = (node: Node): Node => {
    const name = renamed.get(node);
    return name === undefined ? node : { ...node, inputs: [...node.inputs.slice(0, 2), name] };
  };
  const replacements = new Map(graph.nodes.map((node) => [node, changed(node)]));
  return {
    graph: { ...withTensors(graph, added), nodes: [...replacements.values()] },
    integer: new Set([...integer].map((node) => replacements.get(node)!)),
  };
}
