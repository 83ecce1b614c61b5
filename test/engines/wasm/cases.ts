/** Cases for the WASM kernels, expected values by the oracle of test/naive; each says which kernel it must reach. */
import { expect } from "vitest";
import type { EngineOptions } from "../../../src/engines/engine.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { compareOutputs } from "../../../src/engines/tolerance.ts";
import { createArray, elementCount } from "../../../src/graph/dtype.ts";
import type { DType, TypedArray } from "../../../src/graph/dtype.ts";
import type { Activation, Quantization } from "../../../src/graph/ir.ts";
import { random } from "../generated.ts";
import { prepareCase } from "../vectors.ts";
import type { CaseTensor, OpCase } from "../vectors.ts";
import { context } from "./context.ts";

export type Kind = "float32" | "int8" | "uint8";

export const grid = (scale: number, zeroPoint: number): Quantization => ({
  scales: Float32Array.of(scale),
  zeroPoints: Int32Array.of(zeroPoint),
});

/** What a case is compiled with, and how the names of its kernels end. */
export interface Flavour {
  readonly feature: "simd" | "relaxed" | "scalar";
  readonly options: EngineOptions;
  /** Asks for the kernel instead of waiting for it to be preferred. */
  readonly isForced?: boolean;
}

const SIMD: Flavour = { feature: "simd", options: { relaxed: "off" } };

/** Compiles and runs one case; checks the kernel that ran and the result. */
export async function check(opCase: OpCase, kernel: string, { feature, options, isForced }: Flavour = SIMD): Promise<void> {
  const { graph, inputs, expected, tolerance } = prepareCase(opCase);
  const name = `${kernel}__wasm_${feature}`;
  const choices = isForced === true ? [{ node: graph.nodes[0]!.name, kernel: name, why: "under test" }] : [];
  const session = await wasmEngine.compile(graph, context, options, choices);
  try {
    expect(session.placement()[0]?.kernel, opCase.name).toBe(name);
    const comparison = compareOutputs([expected], await session.run(inputs), tolerance);
    expect(comparison.pass, `${opCase.op} ${opCase.name}: ${comparison.message}`).toBe(true);
  } finally {
    session.dispose();
  }
}

/** Random tensors of one kind from one seed. */
export class Tensors {
  readonly kind: Kind;
  readonly #random: () => number;

  constructor(kind: Kind, seed: number) {
    this.kind = kind;
    this.#random = random(seed);
  }

  data(dtype: DType, length: number): TypedArray {
    const data = createArray(dtype, length);
    const range = { int8: [-128, 256], uint8: [0, 256], int32: [-2000, 4001] } as const;
    for (let i = 0; i < length; i++) {
      const u = this.#random();
      if (dtype === "int8" || dtype === "uint8" || dtype === "int32") data[i] = range[dtype][0] + Math.floor(u * range[dtype][1]);
      else data[i] = u * 2 - 1;
    }
    return data;
  }

  activation(shape: readonly number[]): CaseTensor {
    const tensor = { dtype: this.kind, shape, data: this.data(this.kind, elementCount(shape)) };
    if (this.kind === "float32") return tensor;
    return { ...tensor, quant: grid(0.04, this.kind === "int8" ? -7 : 131) };
  }

  /** @param zeroShare of 1×8 blocks: 8 consecutive outputs (axis 0) at one position */
  weights(shape: readonly number[], axis: number, zeroShare = 0): CaseTensor {
    const dtype = this.kind === "float32" ? "float32" : "int8";
    const data = this.data(dtype, elementCount(shape));
    const outputs = shape[0]!;
    const k = data.length / outputs;
    if (zeroShare > 0) {
      for (let first = 0; first < outputs; first += 8) {
        for (let i = 0; i < k; i++) {
          if (this.#random() >= zeroShare) continue;
          for (let o = first; o < Math.min(outputs, first + 8); o++) data[o * k + i] = 0;
        }
      }
    }
    const base = { dtype, shape, data, constant: true } as const;
    if (this.kind === "float32") return base;
    const channels = shape[axis]!;
    const scales = Float32Array.from({ length: channels }, () => 0.001 + 0.004 * this.#random());
    return { ...base, quant: { scales, zeroPoints: new Int32Array(channels), axis } };
  }

  bias(channels: number): CaseTensor {
    const dtype = this.kind === "float32" ? "float32" : "int32";
    return { dtype, shape: [channels], data: this.data(dtype, channels), constant: true };
  }

  output(shape: readonly number[], k: number): Omit<CaseTensor, "data"> {
    if (this.kind === "float32") return { dtype: "float32", shape };
    return { dtype: this.kind, shape, quant: grid(0.01 * Math.sqrt(k), this.kind === "int8" ? 5 : 120) };
  }
}

export const RELU6: Activation = { kind: "clamp", min: 0, max: 6 };

export interface ConvCase {
  readonly kind: Kind;
  readonly seed: number;
  /** [N, H, W, C] */
  readonly input: readonly [number, number, number, number];
  readonly outputs: number;
  readonly kernel: readonly [number, number];
  readonly strides?: readonly [number, number];
  readonly dilations?: readonly [number, number];
  readonly pads?: readonly [number, number, number, number];
  readonly groups?: number;
  readonly zeroShare?: number;
  readonly activation?: Activation;
  readonly withBias?: boolean;
}

export function convCase(op: "Conv2D" | "DepthwiseConv2D", c: ConvCase): OpCase {
  const { input, kernel, outputs, strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0], groups = 1 } = c;
  const [n, h, w, channels] = input;
  const size = (length: number, d: 0 | 1): number =>
    Math.floor((length + pads[d] + pads[d + 2]! - (kernel[d] - 1) * dilations[d] - 1) / strides[d]) + 1;
  const make = new Tensors(c.kind, c.seed);
  const depthwise = op === "DepthwiseConv2D";
  const shape = depthwise ? [1, ...kernel, outputs] : [outputs, ...kernel, channels / groups];
  const k = kernel[0] * kernel[1] * (depthwise ? 1 : channels / groups);
  return {
    op,
    name: JSON.stringify(c),
    attrs: { strides, dilations, pads, groups, ...(c.activation && { activation: c.activation }) },
    inputs: [
      make.activation(input),
      make.weights(shape, depthwise ? 3 : 0, c.zeroShare),
      ...(c.withBias === false ? [] : [make.bias(outputs)]),
    ],
    output: make.output([n, size(h, 0), size(w, 1), outputs], k),
  };
}

export function denseCase(kind: Kind, m: number, n: number, k: number, zeroShare = 0, activation?: Activation): OpCase {
  const make = new Tensors(kind, m * 7919 + n * 131 + k);
  return {
    op: "Dense",
    name: `${kind} ${m}x${n}x${k}, ${zeroShare} zero`,
    attrs: activation === undefined ? {} : { activation },
    inputs: [make.activation([m, k]), make.weights([n, k], 0, zeroShare), make.bias(n)],
    output: make.output([m, n], k),
  };
}
