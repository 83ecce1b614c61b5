/** A graph of one product from its shape: seeded weights, a bias and a ReLU6, as layers of the models have them. */
import { mulberry32 } from "../../data/random.ts";
import { fingerprint } from "../../engines/tune/hash.ts";
import { elementCount } from "../../graph/dtype.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import type { Activation, Graph } from "../../graph/ir.ts";
import { shapeText } from "./shape.ts";
import type { KernelShape } from "./shape.ts";

/** Name of the one node. */
export const LAYER = "layer";

const RELU6: Activation = { kind: "clamp", min: 0, max: 6 };

export function kernelGraph(shape: KernelShape): Graph {
  const text = shapeText(shape);
  const random = mulberry32(Number.parseInt(fingerprint(text).slice(0, 8), 16));
  const b = new GraphBuilder(text);
  // Never 0 by chance: zeros are what recipes make.
  const values = (dims: readonly number[], scale: number): Float32Array =>
    Float32Array.from({ length: elementCount(dims) }, () => scale * (random() < 0.5 ? -1 : 1) * (0.05 + random()));
  const layer = (name: string, dims: readonly number[], fanIn: number): string =>
    b.constant(name, "float32", dims, values(dims, 1 / Math.sqrt(fanIn)));
  const bias = (n: number): string => layer("bias", [n], n);
  if (shape.op === "gemm") {
    const { m, n, k } = shape;
    const inputs = [b.input("x", "float32", [m, k]), layer("weights", [n, k], k), bias(n)];
    return b.finish([b.add("Dense", LAYER, inputs, { activation: RELU6 }, { name: "y" })]);
  }
  const { input, kernel, stride } = shape;
  const [height, width, channels] = input;
  const x = b.input("x", "float32", [1, height, width, channels]);
  const [top, bottom] = pads(height, kernel[0], stride[0], shape.padding);
  const [left, right] = pads(width, kernel[1], stride[1], shape.padding);
  const attrs = {
    strides: stride,
    dilations: [1, 1],
    pads: [top, left, bottom, right],
    groups: shape.op === "conv" ? 1 : channels,
    activation: RELU6,
  } as const;
  if (shape.op === "conv") {
    const { outputs } = shape;
    const weights = layer("weights", [outputs, ...kernel, channels], kernel[0] * kernel[1] * channels);
    return b.finish([b.add("Conv2D", LAYER, [x, weights, bias(outputs)], attrs, { name: "y" })]);
  }
  const weights = layer("weights", [1, ...kernel, channels], kernel[0] * kernel[1]);
  return b.finish([b.add("DepthwiseConv2D", LAYER, [x, weights, bias(channels)], attrs, { name: "y" })]);
}

/** As TensorFlow pads: ceil(size / stride) outputs, the odd element at the end. */
function pads(length: number, kernel: number, stride: number, padding: "same" | "valid"): readonly [number, number] {
  if (padding === "valid") return [0, 0];
  const total = Math.max(0, (Math.ceil(length / stride) - 1) * stride + kernel - length);
  return [total >> 1, total - (total >> 1)];
}
