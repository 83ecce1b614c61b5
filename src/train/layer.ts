/**
 * What a trainable layer is. Activations are NHWC float32; a layer owns the buffers it writes, sized for the largest batch, and
 * keeps what its backward pass needs from the last forward pass. One layer object therefore serves one batch at a time.
 */
import type { Random } from "../data/random.ts";
import type { Compute } from "./compute.ts";

/** One sample's activation: height, width, channels. A flat vector is [1, 1, n]. */
export type Dims = readonly [number, number, number];

export function volume(dims: Dims): number {
  return dims[0] * dims[1] * dims[2];
}

export interface Parameter {
  readonly name: string;
  readonly value: Float32Array;
  /** Accumulated by backward passes; the optimizer's caller zeroes it. */
  readonly gradient: Float32Array;
  /** Row-major. Convolution [O, KH, KW, C], depthwise [KH, KW, C], dense [O, K]. */
  readonly shape: readonly number[];
  /** Weight decay applies (weights yes; biases and batch-norm parameters no). */
  readonly decay: boolean;
  /** A pruning recipe may zero it: convolution and dense weights, but no depthwise ones. */
  readonly prunable: boolean;
}

/** State that training updates without a gradient: the running mean and variance of batch normalization. */
export interface State {
  readonly name: string;
  readonly value: Float32Array;
}

/** What a layer computes, for turning a trained network into a graph; its weights are in `parameters` and `states`. */
export type LayerDefinition =
  | { readonly kind: "conv" | "depthwise"; readonly kernel: number; readonly stride: number; readonly pad: number }
  | { readonly kind: "dense" }
  | { readonly kind: "batchnorm"; readonly epsilon: number }
  | { readonly kind: "relu"; readonly max: number }
  | { readonly kind: "maxpool"; readonly size: number }
  | { readonly kind: "globalaveragepool" };

export interface Layer {
  readonly name: string;
  readonly definition: LayerDefinition;
  readonly input: Dims;
  readonly output: Dims;
  readonly parameters: readonly Parameter[];
  readonly states: readonly State[];
  /**
   * @param x batch × input; stays untouched unless the layer documents that it works in place
   * @param training batch statistics (true) or running ones
   * @returns batch × output in a buffer of the layer, valid until its next forward pass
   */
  forward(x: Float32Array, batch: number, training: boolean): Float32Array;
  /**
   * Adds to the parameters' gradients. Only after a forward pass with `training` true and the same batch.
   * @param dy gradient of the loss by the output; may be overwritten
   * @returns gradient by the input, in a buffer of the layer
   */
  backward(dy: Float32Array, batch: number): Float32Array;
}

/** What layers need to be built. */
export interface LayerContext {
  readonly compute: Compute;
  readonly maxBatch: number;
  readonly random: Random;
}

export type LayerFactory = (input: Dims, context: LayerContext) => Layer;

export function parameter(
  compute: Compute,
  name: string,
  shape: readonly number[],
  fill: (index: number) => number,
  traits: { decay: boolean; prunable: boolean },
): Parameter {
  const length = shape.reduce((a, b) => a * b, 1);
  const value = compute.allocate(length);
  for (let i = 0; i < length; i++) value[i] = fill(i);
  return { name, value, gradient: compute.allocate(length), shape, ...traits };
}

/** He's initialization for layers under a ReLU: uniform with variance 2 / fanIn. */
export function heUniform(random: Random, fanIn: number): () => number {
  const bound = Math.sqrt(6 / fanIn);
  return () => (2 * random() - 1) * bound;
}
