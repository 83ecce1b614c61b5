/** A chain of layers, and views over all it learns. */
import { mulberry32 } from "../data/random.ts";
import type { Compute } from "./compute.ts";
import { volume, type Dims, type Layer, type LayerFactory, type Parameter, type State } from "./layer.ts";

export interface Network {
  readonly name: string;
  readonly input: Dims;
  readonly classes: number;
  readonly layers: readonly Layer[];
  readonly parameters: readonly Parameter[];
  readonly states: readonly State[];
  readonly maxBatch: number;
  /** @returns logits, batch × classes, valid until the next call */
  forward(x: Float32Array, batch: number, training: boolean): Float32Array;
  /** Adds the gradients of the loss to every parameter's `gradient`. `dLogits` may be overwritten. */
  backward(dLogits: Float32Array, batch: number): void;
}

/** Builds the layers in order, each on the output shape of the one before; the seed decides every initial weight. */
export function buildNetwork(
  name: string,
  input: Dims,
  factories: readonly LayerFactory[],
  options: { compute: Compute; maxBatch: number; seed: number },
): Network {
  const context = { compute: options.compute, maxBatch: options.maxBatch, random: mulberry32(options.seed) };
  const layers: Layer[] = [];
  let dims = input;
  for (const factory of factories) {
    const layer = factory(dims, context);
    layers.push(layer);
    dims = layer.output;
  }
  return {
    name,
    input,
    classes: volume(dims),
    layers,
    parameters: layers.flatMap((layer) => layer.parameters),
    states: layers.flatMap((layer) => layer.states),
    maxBatch: options.maxBatch,
    forward: (x, batch, training) => layers.reduce((activation, layer) => layer.forward(activation, batch, training), x),
    backward: (dLogits, batch) => {
      layers.reduceRight((gradient, layer) => layer.backward(gradient, batch), dLogits);
    },
  };
}

export function parameterCount(network: Network): number {
  return network.parameters.reduce((sum, p) => sum + p.value.length, 0);
}
