/** Small graphs for WebGPU tests, and random ones of several nodes. */
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Conv2DAttrs, Graph, Quantization, Shape } from "../../../src/graph/ir.ts";
import type { TypedArray } from "../../../src/graph/dtype.ts";
import { createArray, elementCount } from "../../../src/graph/dtype.ts";
import type { DeviceLimits } from "../../../src/engines/webgpu/device.ts";
import { random } from "../generated.ts";

/** What every WebGPU device has at least. */
export const LIMITS: DeviceLimits = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupsPerDimension: 65535,
};

export const grid = (scale: number, zeroPoint: number): Quantization => ({
  scales: Float32Array.of(scale),
  zeroPoints: Int32Array.of(zeroPoint),
});

/** x [m,k] → Dense → [m,n]; weights are zero in `zeros` of their 1×8 blocks. */
export function denseGraph(type: "float32" | "int8", m: number, n: number, k: number, zeros = 0, seed = 1): Graph {
  const rand = random(seed);
  const integer = type === "int8";
  const b = new GraphBuilder(`dense ${type} ${m}x${n}x${k}`);
  const x = b.input("x", type, [m, k], integer ? grid(0.05, 3) : undefined);
  const w = createArray(type, n * k);
  for (let first = 0; first < n; first += 8) {
    for (let i = 0; i < k; i++) {
      if (rand() < zeros) continue;
      for (let j = first; j < Math.min(n, first + 8); j++) w[j * k + i] = integer ? 1 + Math.floor(rand() * 127) : rand() + 0.01;
    }
  }
  const weights = b.constant("w", type, [n, k], w, integer ? { quant: grid(0.01, 0) } : {});
  const y = b.add("Dense", "dense", [x, weights], {}, integer ? { name: "y", quant: grid(2, -4) } : { name: "y" });
  return b.finish([y]);
}

export interface ConvShape {
  readonly batch?: number;
  readonly input: readonly [h: number, w: number, c: number];
  readonly out: number;
  readonly kernel: readonly [number, number];
  readonly strides?: readonly [number, number];
  readonly dilations?: readonly [number, number];
  readonly pads?: readonly [number, number, number, number];
  readonly groups?: number;
}

/** A convolution of floats with a bias and a clamp. */
export function convGraph({
  batch = 1,
  input,
  out,
  kernel,
  strides = [1, 1],
  dilations = [1, 1],
  pads = [0, 0, 0, 0],
  groups = 1,
}: ConvShape): Graph {
  const b = new GraphBuilder("conv");
  const x = b.input("x", "float32", [batch, ...input]);
  const count = (out * kernel[0] * kernel[1] * input[2]) / groups;
  const w = b.constant(
    "w",
    "float32",
    [out, ...kernel, input[2] / groups],
    Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.7)),
  );
  const bias = b.constant(
    "b",
    "float32",
    [out],
    Float32Array.from({ length: out }, (_, i) => Math.cos(i)),
  );
  const y = b.add("Conv2D", "layer", [x, w, bias], { strides, dilations, pads, groups, activation: { kind: "clamp", min: 0, max: 6 } });
  return b.finish([y]);
}

export type Type = "float32" | "int8" | "uint8";

export interface Window {
  readonly op: "Conv2D" | "DepthwiseConv2D";
  readonly input: Shape;
  readonly weights: Shape;
  readonly attrs?: Partial<Conv2DAttrs>;
}

/** Activations around a zero point of 3, so that what padding reads counts. */
export function windowGraph(type: Type, { op, input, weights, attrs }: Window): Graph {
  const rand = random(5);
  const integer = type !== "float32";
  const b = new GraphBuilder("window");
  const x = b.input("x", type, input, integer ? grid(0.05, 3) : undefined);
  const data = createArray(integer ? "int8" : type, elementCount(weights));
  for (let i = 0; i < data.length; i++) data[i] = integer ? Math.floor(rand() * 256) - 128 : rand() - 0.5;
  const axis = op === "Conv2D" ? 0 : 3;
  const w = b.constant("w", integer ? "int8" : type, weights, data, integer ? { quant: grid(0.01, 0) } : {});
  const channels = weights[axis]!;
  const bias = integer
    ? b.constant(
        "b",
        "int32",
        [channels],
        Int32Array.from({ length: channels }, (_, i) => i * 10),
        { quant: grid(0.0005, 0) },
      )
    : b.constant(
        "b",
        "float32",
        [channels],
        Float32Array.from({ length: channels }, () => rand()),
      );
  const all = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: op === "Conv2D" ? 1 : channels, ...attrs } as const;
  const activation = { kind: "clamp", min: -20, max: 20 } as const;
  const y = b.add(op, "layer", [x, w, bias], { ...all, activation }, integer ? { quant: grid(0.2, -4) } : {});
  return b.finish([y]);
}

export function randomInputs(graph: Graph, seed: number): TypedArray[] {
  const rand = random(seed);
  return graph.inputs.map((name) => {
    const { dtype, shape } = graph.tensors.get(name)!;
    const data = createArray(dtype, elementCount(shape));
    for (let i = 0; i < data.length; i++)
      data[i] = dtype === "float32" ? rand() * 2 - 1 : dtype === "uint8" ? Math.floor(rand() * 256) : Math.floor(rand() * 256) - 128;
    return data;
  });
}

/**
 * A chain of random nodes with branches that join again (Add, Concat), so that buffers are shared and reused: channels that are and are not
 * multiples of four, reshapes that keep and change rows.
 */
export function randomGraph(type: "float32" | "int8", seed: number): Graph {
  const rand = random(seed);
  const int = (lo: number, hi: number): number => lo + Math.floor(rand() * (hi - lo + 1));
  const integer = type === "int8";
  const quant = integer ? { quant: grid(0.05, int(-10, 10)) } : {};
  const b = new GraphBuilder(`random ${type} seed=${seed}`);
  const values = (n: number): TypedArray => {
    const data = createArray(type, n);
    for (let i = 0; i < n; i++) data[i] = integer ? int(-127, 127) : rand() - 0.5;
    return data;
  };
  const shapeOf = (name: string): readonly number[] => b.tensor(name).shape;
  let x = b.input("x", type, [1, int(3, 9), int(3, 9), int(1, 9)], integer ? grid(0.05, int(-10, 10)) : undefined);
  const seen: string[] = [x];
  for (let i = 0; i < 7; i++) {
    const shape = shapeOf(x);
    const c = shape[3]!;
    switch (int(0, 7)) {
      case 0:
      case 1: {
        const out = int(1, 13);
        const kernel = int(0, 1) === 0 ? 1 : 3;
        const pad = (kernel - 1) / 2;
        const w = b.constant(
          `w${i}`,
          type,
          [out, kernel, kernel, c],
          values(out * kernel * kernel * c),
          integer ? { quant: grid(0.004, 0) } : {},
        );
        const attrs = { strides: [1, 1], dilations: [1, 1], pads: [pad, pad, pad, pad], groups: 1 } as const;
        x = b.add("Conv2D", `conv${i}`, [x, w], { ...attrs, activation: { kind: "clamp", min: 0, max: 6 } }, quant);
        break;
      }
      case 2: {
        const w = b.constant(`w${i}`, type, [1, 3, 3, c], values(9 * c), integer ? { quant: grid(0.01, 0) } : {});
        x = b.add("DepthwiseConv2D", `depthwise${i}`, [x, w], { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1 }, quant);
        break;
      }
      case 3: {
        const twin = seen.find((name) => shapeOf(name).join() === shape.join() && name !== x) ?? x;
        x = b.add("Binary", `add${i}`, [x, twin], { fn: "add" }, quant);
        break;
      }
      case 4: {
        const twin = seen.find((name) => shapeOf(name).slice(0, 3).join() === shape.slice(0, 3).join()) ?? x;
        x = b.add("Concat", `concat${i}`, [x, twin], { axis: 3 }, quant);
        break;
      }
      case 5:
        x = b.add("Transpose", `transpose${i}`, [x], { perm: [0, 2, 1, 3] }, integer ? { quant: b.tensor(x).quant! } : {});
        break;
      case 6: {
        const [, h, w] = shape;
        const flat = b.add(
          "Reshape",
          `reshape${i}`,
          [x],
          {},
          { shape: [1, h!, w! * c], ...(integer ? { quant: b.tensor(x).quant! } : {}) },
        );
        x = b.add("Reshape", `back${i}`, [flat], {}, { shape: [1, w!, h!, c], ...(integer ? { quant: b.tensor(x).quant! } : {}) });
        break;
      }
      default:
        x = b.add("Unary", `unary${i}`, [x], { fn: "hardswish" }, quant);
    }
    seen.push(x);
  }
  // An early tensor as a second output: its buffer must survive to the end.
  return b.finish([x, seen[2]!]);
}
