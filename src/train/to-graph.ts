/**
 * A trained network as a graph, in the form in which a framework exports one: input [1, C, H, W], batch normalization on its own,
 * a flattened image in channel-first order (the first dense layer's columns are rearranged to suit).
 */
import { invariant } from "../errors.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Conv2DAttrs, Graph } from "../graph/ir.ts";
import { volume, type Dims, type Layer } from "./layer.ts";
import type { Network } from "./network.ts";

const INPUT = "input";
const OUTPUT = "logits";

export function networkToGraph(network: Network): Graph {
  const builder = new GraphBuilder(network.name);
  const [height, width, channels] = network.input;
  builder.input(INPUT, "float32", [1, channels, height, width]);
  let x = builder.add("Transpose", "to_channels_last", [INPUT], { perm: [0, 2, 3, 1] });
  network.layers.forEach((layer, index) => {
    const last = index === network.layers.length - 1;
    x = addLayer(builder, layer, x, last ? OUTPUT : undefined);
  });
  return builder.finish([OUTPUT]);
}

/** @returns the name of the layer's output tensor */
function addLayer(builder: GraphBuilder, layer: Layer, x: string, output: string | undefined): string {
  const { name, definition, input } = layer;
  const spec = output === undefined ? {} : { name: output };
  const constant = (role: string, shape?: readonly number[]): string => {
    const source = [...layer.parameters, ...layer.states].find((p) => p.name === `${name}.${role}`);
    invariant(source !== undefined, `layer ${name} has no ${role}`);
    return builder.constant(source.name, "float32", shape ?? [source.value.length], source.value.slice());
  };
  const biased = layer.parameters.some((p) => p.name === `${name}.bias`);
  switch (definition.kind) {
    case "conv": {
      const weights = constant("weight", [layer.output[2], definition.kernel, definition.kernel, input[2]]);
      return builder.add("Conv2D", name, biased ? [x, weights, constant("bias")] : [x, weights], windowAttrs(definition, 1), spec);
    }
    case "depthwise": {
      const weights = constant("weight", [1, definition.kernel, definition.kernel, input[2]]);
      return builder.add("DepthwiseConv2D", name, [x, weights], windowAttrs(definition, input[2]), spec);
    }
    case "dense":
      return addDense(builder, layer, x, spec);
    case "batchnorm": {
      const inputs = [x, constant("gamma"), constant("beta"), constant("mean"), constant("variance")];
      return builder.add("BatchNorm", name, inputs, { epsilon: definition.epsilon }, spec);
    }
    case "relu": {
      const attrs = definition.max === Infinity ? ({ fn: "relu" } as const) : ({ fn: "clip", min: 0, max: definition.max } as const);
      return builder.add("Unary", name, [x], attrs, spec);
    }
    case "maxpool": {
      const kernel = [definition.size, definition.size] as const;
      const attrs = { kernel, strides: kernel, dilations: [1, 1], pads: [0, 0, 0, 0], countIncludePad: false } as const;
      return builder.add("MaxPool2D", name, [x], attrs, spec);
    }
    case "globalaveragepool":
      return builder.add("Reduce", name, [x], { fn: "mean", axes: [1, 2], keepDims: false }, spec);
  }
}

/** Depthwise layers say as many groups as channels; the IR ignores the number there. */
function windowAttrs(definition: { stride: number; pad: number }, groups: number): Conv2DAttrs {
  const { stride, pad } = definition;
  return { strides: [stride, stride], dilations: [1, 1], pads: [pad, pad, pad, pad], groups };
}

function addDense(builder: GraphBuilder, layer: Layer, x: string, spec: { name?: string }): string {
  const { name, input, output } = layer;
  const [weights, bias] = layer.parameters;
  invariant(weights !== undefined && bias !== undefined, `dense layer ${name} lacks a parameter`);
  const depth = volume(input);
  const image = builder.tensor(x).shape.length === 4;
  let flat = x;
  if (image) {
    const first = builder.add("Transpose", `${name}.to_channels_first`, [x], { perm: [0, 3, 1, 2] });
    flat = builder.add("Reshape", `${name}.flatten`, [first], {}, { shape: [1, depth] });
  }
  const data = image ? channelFirstColumns(weights.value, input, volume(output)) : weights.value.slice();
  const w = builder.constant(weights.name, "float32", [volume(output), depth], data);
  const b = builder.constant(bias.name, "float32", [volume(output)], bias.value.slice());
  return builder.add("Dense", name, [flat, w, b], {}, spec);
}

/** [units, H·W·C] → [units, C·H·W] */
function channelFirstColumns(weights: Float32Array, [height, width, channels]: Dims, units: number): Float32Array {
  const moved = new Float32Array(weights.length);
  const depth = height * width * channels;
  for (let u = 0; u < units; u++) {
    for (let pixel = 0; pixel < height * width; pixel++) {
      for (let c = 0; c < channels; c++) moved[u * depth + c * height * width + pixel] = weights[u * depth + pixel * channels + c]!;
    }
  }
  return moved;
}
