/**
 * Published architectures with random weights: speed depends on shapes, not on what was learned, and no trained weights are at hand
 * offline. Weights are normal with He's variance (2 / inputs of a unit), so that activations keep their size from layer to layer; biases
 * are small. Batch norms are thought folded. Seeded: every run and every peer sees the same numbers.
 */
import { fillNormal, mulberry32, type Random } from "../../src/data/random.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { elementCount } from "../../src/graph/dtype.ts";
import type { Activation, Graph, Pair, Pads2D } from "../../src/graph/ir.ts";

const SEED = 20250101;
const RELU: Activation = { kind: "clamp", min: 0, max: Infinity };
const RELU6: Activation = { kind: "clamp", min: 0, max: 6 };
const BIAS_DEVIATION = 0.1;
/** Spread of what goes into the last softmax: probabilities that differ, as a trained net's do. */
const LOGIT_GAIN = 2;

interface ConvSpec {
  readonly kernel: Pair;
  readonly stride?: Pair;
  readonly activation?: Activation;
}

/** Layers with random weights on images [1, H, W, C], padded as TFLite's `SAME`. */
class Net {
  readonly #builder: GraphBuilder;
  readonly #random: Random = mulberry32(SEED);
  #layers = 0;

  constructor(name: string) {
    this.#builder = new GraphBuilder(name);
  }

  input(height: number, width: number, channels: number): string {
    return this.#builder.input("input", "float32", [1, height, width, channels]);
  }

  conv(x: string, filters: number, spec: ConvSpec): string {
    const channels = this.#shape(x)[3]!;
    const weights: readonly number[] = [filters, ...spec.kernel, channels];
    return this.#spatial("Conv2D", x, weights, filters, channels * spec.kernel[0] * spec.kernel[1], spec);
  }

  depthwise(x: string, spec: ConvSpec): string {
    const channels = this.#shape(x)[3]!;
    const weights: readonly number[] = [1, ...spec.kernel, channels];
    return this.#spatial("DepthwiseConv2D", x, weights, channels, spec.kernel[0] * spec.kernel[1], spec);
  }

  add(a: string, b: string, activation?: Activation): string {
    return this.#builder.add("Binary", `add${++this.#layers}`, [a, b], { fn: "add", ...(activation && { activation }) });
  }

  /** Average over the image, flattened: [1, C]. */
  pool(x: string): string {
    const [, height, width, channels] = this.#shape(x) as [number, number, number, number];
    const window = { kernel: [height, width], strides: [height, width], dilations: [1, 1], pads: [0, 0, 0, 0] } as const;
    const pooled = this.#builder.add("AveragePool2D", "pool", [x], { ...window, countIncludePad: false });
    return this.#builder.add("Reshape", "flatten", [pooled], {}, { shape: [1, channels] });
  }

  dense(x: string, units: number, gain = 1): string {
    const [, inputs] = this.#shape(x) as [number, number];
    const w = this.#normal(`w${++this.#layers}`, [units, inputs], gain * Math.sqrt(1 / inputs));
    return this.#builder.add("Dense", "dense", [x, w, this.#normal(`b${this.#layers}`, [units], BIAS_DEVIATION)], {});
  }

  softmax(x: string): string {
    return this.#builder.add("Softmax", "softmax", [x], { axis: 1, beta: 1 });
  }

  finish(output: string): Graph {
    return this.#builder.finish([output]);
  }

  #spatial(op: "Conv2D" | "DepthwiseConv2D", x: string, shape: readonly number[], outputs: number, fanIn: number, spec: ConvSpec): string {
    const { kernel, stride = [1, 1], activation } = spec;
    const [, height, width] = this.#shape(x) as [number, number, number];
    // A layer without activation keeps the variance with half the weight's.
    const w = this.#normal(`w${++this.#layers}`, shape, Math.sqrt((activation === undefined ? 1 : 2) / fanIn));
    const b = this.#normal(`b${this.#layers}`, [outputs], BIAS_DEVIATION);
    const [top, bottom] = samePads(height, kernel[0], stride[0]);
    const [left, right] = samePads(width, kernel[1], stride[1]);
    const pads: Pads2D = [top, left, bottom, right];
    const groups = op === "Conv2D" ? 1 : this.#shape(x)[3]!;
    const attrs = { strides: stride, dilations: [1, 1] as const, pads, groups, ...(activation && { activation }) };
    return this.#builder.add(op, `${op === "Conv2D" ? "conv" : "depthwise"}${this.#layers}`, [x, w, b], attrs);
  }

  #normal(name: string, shape: readonly number[], deviation: number): string {
    const data = new Float32Array(elementCount(shape));
    fillNormal(this.#random, data);
    for (let i = 0; i < data.length; i++) data[i]! *= deviation;
    return this.#builder.constant(name, "float32", shape, data);
  }

  #shape(name: string): readonly number[] {
    return this.#builder.tensor(name).shape;
  }
}

function samePads(size: number, kernel: number, stride: number): readonly [number, number] {
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size);
  return [total >> 1, total - (total >> 1)];
}

/** The image classifier of MLPerf Tiny: 32×32×3, three residual stages of 16, 32, 64 filters, 10 classes; 12.5 M multiply-adds. */
export function resnet8(): Graph {
  const net = new Net("resnet8");
  let x = net.conv(net.input(32, 32, 3), 16, { kernel: [3, 3], activation: RELU });
  [16, 32, 64].forEach((filters, stage) => {
    const stride: Pair = stage === 0 ? [1, 1] : [2, 2];
    const inner = net.conv(x, filters, { kernel: [3, 3], stride, activation: RELU });
    const outer = net.conv(inner, filters, { kernel: [3, 3] });
    const shortcut = stage === 0 ? x : net.conv(x, filters, { kernel: [1, 1], stride });
    x = net.add(shortcut, outer, RELU);
  });
  return net.finish(net.softmax(net.dense(net.pool(x), 10, LOGIT_GAIN)));
}

/** The keyword spotter of MLPerf Tiny (DS-CNN small): 49×10×1, a 10×4 stem and four separable blocks of 64, 12 classes; 2.7 M. */
export function dsCnn(): Graph {
  const net = new Net("ds-cnn");
  let x = net.conv(net.input(49, 10, 1), 64, { kernel: [10, 4], stride: [2, 2], activation: RELU });
  for (let block = 0; block < 4; block++) {
    x = net.depthwise(x, { kernel: [3, 3], activation: RELU });
    x = net.conv(x, 64, { kernel: [1, 1], activation: RELU });
  }
  return net.finish(net.softmax(net.dense(net.pool(x), 12, LOGIT_GAIN)));
}

/** MobileNet V1 (Howard et al. 2017), width 0.25, 96×96, up to the logits of 2 classes: the person detector of MLPerf Tiny; 7.5 M. */
export function mobilenetV1(): Graph {
  const net = new Net("mobilenet-v1-0.25-96");
  const width = (filters: number): number => filters / 4;
  let x = net.conv(net.input(96, 96, 3), width(32), { kernel: [3, 3], stride: [2, 2], activation: RELU6 });
  const blocks: readonly (readonly [filters: number, stride: number])[] = [
    [64, 1],
    [128, 2],
    [128, 1],
    [256, 2],
    [256, 1],
    [512, 2],
    ...Array.from({ length: 5 }, () => [512, 1] as const),
    [1024, 2],
    [1024, 1],
  ];
  for (const [filters, stride] of blocks) {
    x = net.depthwise(x, { kernel: [3, 3], stride: [stride, stride], activation: RELU6 });
    x = net.conv(x, width(filters), { kernel: [1, 1], activation: RELU6 });
  }
  return net.finish(net.dense(net.pool(x), 2));
}

/** MobileNet V2 (Sandler et al. 2018), width 1, 224×224, up to the logits of 1000 classes; 300 M. */
export function mobilenetV2(): Graph {
  const net = new Net("mobilenet-v2-224");
  let x = net.conv(net.input(224, 224, 3), 32, { kernel: [3, 3], stride: [2, 2], activation: RELU6 });
  const stages: readonly (readonly [expansion: number, filters: number, repeats: number, stride: number])[] = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
  ];
  let channels = 32;
  for (const [expansion, filters, repeats, firstStride] of stages) {
    for (let i = 0; i < repeats; i++) {
      const stride = i === 0 ? firstStride : 1;
      const wide = expansion === 1 ? x : net.conv(x, channels * expansion, { kernel: [1, 1], activation: RELU6 });
      const spread = net.depthwise(wide, { kernel: [3, 3], stride: [stride, stride], activation: RELU6 });
      const narrow = net.conv(spread, filters, { kernel: [1, 1] });
      x = stride === 1 && channels === filters ? net.add(x, narrow) : narrow;
      channels = filters;
    }
  }
  return net.finish(net.dense(net.pool(net.conv(x, 1280, { kernel: [1, 1], activation: RELU6 })), 1000));
}

/**
 * A product [m, k] × [k, n] by a constant, or several of them one after the other.
 * @param count of products; more than one needs n = k
 */
export function gemm(m: number, n: number, k: number, count = 1): Graph {
  const builder = new GraphBuilder(`gemm-${m}x${n}x${k}${count === 1 ? "" : `-chain-${count}`}`);
  const random = mulberry32(SEED);
  let x = builder.input("a", "float32", [m, k]);
  for (let i = 0; i < count; i++) {
    const data = new Float32Array(n * k);
    fillNormal(random, data);
    for (let j = 0; j < data.length; j++) data[j]! /= Math.sqrt(k);
    x = builder.add("Dense", `gemm${i}`, [x, builder.constant(`b${i}`, "float32", [n, k], data)], {});
  }
  return builder.finish([x]);
}
