/** Small synthetic nets with seeded weights, and samples for them. */
import type { CompressContext } from "../../src/compress/steps.ts";
import { mulberry32 } from "../../src/data/random.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { elementCount } from "../../src/graph/dtype.ts";
import type { TypedArray } from "../../src/graph/dtype.ts";
import type { Activation, Graph, Pads2D } from "../../src/graph/ir.ts";

/** Uniform in -1..1. */
export function uniform(seed: number): () => number {
  const random = mulberry32(seed);
  return () => random() * 2 - 1;
}

export function filled(length: number, next: () => number, scale = 1): Float32Array {
  return Float32Array.from({ length }, () => next() * scale);
}

export const relu: Activation = { kind: "clamp", min: 0, max: Infinity };
export const relu6: Activation = { kind: "clamp", min: 0, max: 6 };

class NetBuilder extends GraphBuilder {
  readonly next: () => number;

  constructor(name: string, seed: number) {
    super(name);
    this.next = uniform(seed);
  }

  weights(name: string, shape: readonly number[], fanIn: number): string {
    return this.constant(name, "float32", shape, filled(elementCount(shape), this.next, Math.sqrt(3 / fanIn)));
  }

  conv(name: string, x: string, o: number, k: number, options: { stride?: number; activation?: Activation; bias?: number } = {}): string {
    const c = this.tensor(x).shape[3]!;
    const w = this.weights(`${name}.w`, [o, k, k, c], k * k * c);
    const b = this.constant(`${name}.b`, "float32", [o], filled(o, this.next, options.bias ?? 0.3));
    const { stride = 1, activation } = options;
    return this.add(
      "Conv2D",
      name,
      [x, w, b],
      { ...window(k, stride), groups: 1, ...(activation && { activation }) },
      { name: `${name}.out` },
    );
  }

  depthwise(name: string, x: string, k: number, activation: Activation): string {
    const c = this.tensor(x).shape[3]!;
    const w = this.weights(`${name}.w`, [1, k, k, c], k * k);
    const b = this.constant(`${name}.b`, "float32", [c], filled(c, this.next, 0.3));
    return this.add("DepthwiseConv2D", name, [x, w, b], { ...window(k, 1), groups: c, activation }, { name: `${name}.out` });
  }

  dense(name: string, x: string, n: number, activation?: Activation): string {
    const k = this.tensor(x).shape.at(-1)!;
    const w = this.weights(`${name}.w`, [n, k], k);
    const b = this.constant(`${name}.b`, "float32", [n], filled(n, this.next, 0.3));
    return this.add("Dense", name, [x, w, b], activation ? { activation } : {}, { name: `${name}.out` });
  }
}

function window(k: number, stride: number): { strides: [number, number]; dilations: [number, number]; pads: Pads2D } {
  const pad = (k - 1) >> 1;
  return { strides: [stride, stride], dilations: [1, 1], pads: [pad, pad, pad, pad] };
}

/** conv, conv, dense, dense, softmax over a 12×12 grey image; 10 classes. */
export function plainNet(seed = 1): Graph {
  const b = new NetBuilder("plain", seed);
  let x = b.input("image", "float32", [1, 12, 12, 1]);
  x = b.conv("conv1", x, 6, 3, { activation: relu });
  x = b.add("MaxPool2D", "pool1", [x], { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0, 0, 0, 0], countIncludePad: false });
  x = b.conv("conv2", x, 20, 3, { activation: relu });
  x = b.add("Reshape", "flatten", [x], {}, { shape: [1, 720] });
  x = b.dense("fc1", x, 24, relu);
  x = b.dense("fc2", x, 10);
  x = b.add("Softmax", "softmax", [x], { axis: 1, beta: 1 }, { name: "scores" });
  return b.finish([x]);
}

/** The shapes of a mobile net: NCHW border, fused hardswish, squeeze-and-excite, residual, concat with a pinned branch, pad, resize. */
export function mobileNet(seed = 2): Graph {
  const b = new NetBuilder("mobile", seed);
  const image = b.input("image", "float32", [1, 3, 16, 16]);
  let x = b.add("Transpose", "to_nhwc", [image], { perm: [0, 2, 3, 1] });
  x = b.conv("stem", x, 8, 3, { stride: 2, activation: { kind: "hardswish" } });
  const skip = x;
  x = b.depthwise("dw", x, 3, { kind: "hardswish" });
  let gate = b.add("Reduce", "squeeze", [x], { fn: "mean", axes: [1, 2], keepDims: true });
  gate = b.conv("se1", gate, 4, 1, { activation: relu });
  gate = b.conv("se2", gate, 8, 1);
  gate = b.add("Unary", "gate", [gate], { fn: "hardsigmoid", alpha: 0.2, beta: 0.5 });
  x = b.add("Binary", "scale", [x, gate], { fn: "mul" });
  x = b.conv("project", x, 8, 1);
  x = b.add("Binary", "residual", [x, skip], { fn: "add", activation: relu6 });
  const side = b.add("Unary", "side", [x], { fn: "sigmoid" });
  x = b.add("Concat", "concat", [x, side], { axis: 3 });
  x = b.add("Pad", "pad", [x], { before: [0, 1, 1, 0], after: [0, 1, 1, 0], mode: "constant", value: 0 });
  x = b.add("AveragePool2D", "pool", [x], {
    kernel: [2, 2],
    strides: [2, 2],
    dilations: [1, 1],
    pads: [0, 0, 0, 0],
    countIncludePad: false,
  });
  x = b.add("Reduce", "mean", [x], { fn: "mean", axes: [1, 2], keepDims: false });
  const shift = b.constant("shift", "float32", [16], filled(16, b.next, 0.2));
  x = b.add("Binary", "shifted", [x, shift], { fn: "sub" });
  x = b.dense("head", x, 10);
  x = b.add("Softmax", "softmax", [x], { axis: 1, beta: 1 }, { name: "scores" });
  return b.finish([x]);
}

export function samplesFor(graph: Graph, count: number, seed: number): readonly (readonly TypedArray[])[] {
  const next = uniform(seed);
  return Array.from({ length: count }, () => graph.inputs.map((name) => filled(elementCount(graph.tensors.get(name)!.shape), next)));
}

export function contextFor(graph: Graph, count = 40, seed = 77): CompressContext {
  const samples = samplesFor(graph, count, seed);
  return { calibration: () => samples, observe: observeGraph };
}

export function argmax(scores: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[best]!) best = i;
  return best;
}
