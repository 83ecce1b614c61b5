/** Pieces of graphs for pass tests: seeded constants, shorthand nodes, and random networks. */
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { elementCount, type DType } from "../../../src/graph/dtype.ts";
import type { Activation, Graph, Pads2D, Quantization, Shape, UnaryAttrs } from "../../../src/graph/ir.ts";
import { seededRandom } from "../run.ts";

export const perTensor = (scale: number, zeroPoint: number): Quantization => ({
  scales: Float32Array.of(scale),
  zeroPoints: Int32Array.of(zeroPoint),
});

export class Net extends GraphBuilder {
  readonly random: () => number;
  #count = 0;

  constructor(seed = 1) {
    super("net");
    this.random = seededRandom(seed);
  }

  next(prefix: string): string {
    return `${prefix}${this.#count++}`;
  }

  /** A float constant with the given values, or random ones in -1..1. */
  weights(shape: Shape, values?: readonly number[]): string {
    const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => values?.[i] ?? this.random() * 2 - 1);
    return this.constant(this.next("w"), "float32", shape, data);
  }

  /** A random 8-bit constant. */
  bytes(shape: Shape, quant: Quantization, dtype: DType = "int8"): string {
    const length = elementCount(shape);
    const data =
      dtype === "int8"
        ? Int8Array.from({ length }, () => Math.floor(this.random() * 255) - 127)
        : Uint8Array.from({ length }, () => Math.floor(this.random() * 256));
    return this.constant(this.next("q"), dtype, shape, data, { quant });
  }

  conv(x: string, o: number, k: number, options: { bias?: boolean; pads?: Pads2D; activation?: Activation; stride?: number } = {}): string {
    const w = this.weights([o, k, k, this.tensor(x).shape[3]!]);
    const bias = options.bias === false ? "" : this.weights([o]);
    const pad = k >> 1;
    const stride = options.stride ?? 1;
    return this.add("Conv2D", this.next("conv"), [x, w, bias], {
      strides: [stride, stride],
      dilations: [1, 1],
      pads: options.pads ?? [pad, pad, pad, pad],
      groups: 1,
      ...(options.activation && { activation: options.activation }),
    });
  }

  depthwise(x: string, k: number, multiplier = 1): string {
    const c = this.tensor(x).shape[3]!;
    const w = this.weights([1, k, k, c * multiplier]);
    const pad = k >> 1;
    const attrs = { strides: [1, 1], dilations: [1, 1], pads: [pad, pad, pad, pad], groups: c } as const;
    return this.add("DepthwiseConv2D", this.next("dw"), [x, w, ""], attrs);
  }

  convTranspose(x: string, o: number): string {
    const w = this.weights([o, 2, 2, this.tensor(x).shape[3]!]);
    const attrs = { strides: [2, 2], dilations: [1, 1], pads: [0, 0, 0, 0], outputPadding: [0, 0], groups: 1 } as const;
    return this.add("ConvTranspose2D", this.next("convt"), [x, w, ""], attrs);
  }

  dense(x: string, o: number): string {
    return this.add("Dense", this.next("dense"), [x, this.weights([o, this.tensor(x).shape.at(-1)!]), this.weights([o])], {});
  }

  unary(x: string, attrs: UnaryAttrs): string {
    return this.add("Unary", this.next(attrs.fn), [x], attrs);
  }

  binary(fn: "add" | "sub" | "mul" | "div", a: string, b: string, activation?: Activation): string {
    return this.add("Binary", this.next(fn), [a, b], { fn, ...(activation && { activation }) });
  }

  /** BatchNorm, or the multiplication and addition that define it: the same constants for the same seed. */
  batchNorm(x: string, written: "op" | "arithmetic"): string {
    const c = this.tensor(x).shape.at(-1)!;
    const values = (low: number, high: number): number[] => Array.from({ length: c }, () => low + (high - low) * this.random());
    const [scale, bias, mean, variance] = [values(0.5, 2), values(-1, 1), values(-1, 1), values(0.1, 2)] as const;
    const epsilon = 1e-3;
    if (written === "op") {
      const parameters = [scale, bias, mean, variance].map((v) => this.weights([c], v));
      return this.add("BatchNorm", this.next("bn"), [x, ...parameters], { epsilon });
    }
    const factor = scale.map((s, i) => s / Math.sqrt(variance[i]! + epsilon));
    const centred = this.binary("sub", x, this.weights([c], mean));
    return this.binary("add", this.binary("mul", centred, this.weights([c], factor)), this.weights([c], bias));
  }

  quantize(x: string, quant: Quantization, dtype: DType = "int8"): string {
    return this.add("Quantize", this.next("quantize"), [x], {}, { dtype, quant });
  }

  dequantize(x: string): string {
    return this.add("Dequantize", this.next("dequantize"), [x], {}, { dtype: "float32" });
  }

  /** Quantize then Dequantize: where a quantized model fixes a tensor's grid. */
  grid(x: string, quant: Quantization, dtype: DType = "int8"): string {
    return this.dequantize(this.quantize(x, quant, dtype));
  }
}

/** A random float network of about `length` layers with everything that passes rewrite. */
export function randomNet(seed: number, length: number, batchNorm: "op" | "arithmetic"): Graph {
  const net = new Net(seed);
  const choose = seededRandom(seed + 1_000_000);
  let x = net.input("x", "float32", [1, 5, 6, 3]);
  for (let i = 0; i < length; i++) {
    const { shape } = net.tensor(x);
    const c = shape[3]!;
    switch (Math.floor(choose() * 16)) {
      case 0:
        x = net.conv(x, 1 + Math.floor(choose() * 5), 3, { bias: choose() < 0.5 });
        break;
      case 1:
        x = net.depthwise(x, 3, c < 4 ? 2 : 1);
        break;
      case 2:
        x = net.batchNorm(x, batchNorm);
        break;
      case 3:
        x = net.binary("mul", x, net.weights([c]));
        break;
      case 4:
        x = net.binary("add", net.weights([1, 1, 1, c]), x);
        break;
      case 5:
        x = net.binary("div", x, net.weights([], [0.5 + choose()]));
        break;
      case 6:
        x = net.unary(x, { fn: "relu" });
        break;
      case 7:
        x = net.unary(x, { fn: "clip", min: -1, max: 3 });
        break;
      case 8: {
        const gate = net.unary(net.binary("add", x, net.weights([], [3])), { fn: "clip", min: 0, max: 6 });
        x =
          choose() < 0.5
            ? net.binary("div", net.binary("mul", x, gate), net.weights([1], [6]))
            : net.binary("mul", gate, net.weights([], [1 / 6]));
        break;
      }
      case 9: {
        const before = [0, 1, Math.floor(choose() * 2), 0];
        const attrs = { before, after: [0, 0, 1, 0], mode: "constant" as const, value: choose() < 0.7 ? 0 : 1 };
        x = net.conv(net.add("Pad", net.next("pad"), [x], attrs), c, 3, { pads: [0, 0, 0, 0] });
        break;
      }
      case 10:
        x = net.binary("add", x, net.conv(x, c, 1));
        break;
      case 11: {
        const there = net.add("Transpose", net.next("t"), [x], { perm: [0, 3, 1, 2] });
        x = net.add("Transpose", net.next("t"), [there], { perm: [0, 2, 3, 1] });
        break;
      }
      case 12: {
        const flat = net.add("Reshape", net.next("r"), [x], {}, { shape: [1, elementCount(shape)] });
        x = net.add("Reshape", net.next("r"), [flat], {}, { shape });
        break;
      }
      case 13:
        x = net.unary(x, { fn: "hardswish" });
        break;
      case 14:
        if (elementCount(shape) < 400) x = net.convTranspose(x, 2);
        break;
      default:
        x = net.add("MaxPool2D", net.next("pool"), [x], {
          kernel: [2, 2],
          strides: [1, 1],
          dilations: [1, 1],
          pads: [1, 1, 0, 0],
          countIncludePad: false,
        });
    }
  }
  const dead = net.conv(x, 2, 1);
  net.unary(dead, { fn: "relu" });
  return net.finish([x]);
}
