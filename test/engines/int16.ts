/**
 * What is particular to int16 activations: sums at and around the points where float32 has to round them, sums as large as they may be, every code
 * through tables and between grids, and moves.
 */
import { INT16_BIAS_LIMIT } from "../../src/graph/int16.ts";
import type { Quantization, UnaryAttrs } from "../../src/graph/ir.ts";
import { Maker, grid } from "./generated.ts";
import type { CaseTensor, OpCase } from "./vectors.ts";

const perChannel = (scales: readonly number[], axis: number): Quantization => ({
  scales: Float32Array.from(scales),
  zeroPoints: new Int32Array(scales.length),
  axis,
});

function bias(data: readonly number[]): CaseTensor {
  return { dtype: "int64", shape: [data.length], data: Float64Array.from(data), constant: true };
}

/**
 * Channel (s, d): the sum is an odd number of half output steps of 2^s each, + d. Beyond 2^24 float32 rounds d away, so the result is the even
 * neighbour, where the exact sum would go the way of d; below it keeps d.
 */
function ties(): OpCase {
  const channels = Array.from({ length: 22 }, (_, i) => i + 3).flatMap((shift) => [-1, 0, 1].map((delta) => ({ shift, delta })));
  const [n, k] = [channels.length, 3];
  const sums = channels.map(({ shift, delta }, i) => {
    const steps = ((i * 2311) % Math.min(30000, 2 ** (36 - shift))) * (i % 2 === 0 ? 1 : -1);
    return (2 * steps + 1) * 2 ** (shift - 1) + delta;
  });
  const weights = Int8Array.from({ length: n * k }, (_, i) => ((i * 37) % 255) - 127);
  const x = Int16Array.of(32767, -32768, 12345, -1, 255, -256);
  // The bias makes the first row's sums what they shall be.
  const rest = sums.map((sum, o) => sum - [0, 1, 2].reduce((total, i) => total + x[i]! * weights[o * k + i]!, 0));
  return {
    op: "Dense",
    name: "int16, sums halfway between two outputs",
    attrs: {},
    inputs: [
      { dtype: "int16", shape: [2, k], data: x, quant: grid(1, 0) },
      {
        dtype: "int8",
        shape: [n, k],
        data: weights,
        constant: true,
        quant: perChannel(
          channels.map(({ shift }) => 2 ** -shift),
          0,
        ),
      },
      bias(rest),
    ],
    output: { dtype: "int16", shape: [2, n], quant: grid(1, 0) },
  };
}

/** All inputs and weights at an end of their range; the largest biases. */
function extremes(k: number): OpCase {
  // The oracle is slow.
  const rows = [-32768, 32767, 255, -256].slice(0, k > 2 ** 12 ? 1 : 4);
  const columns = [-128, 127, -128, 127, 1].slice(0, k > 2 ** 12 ? 2 : 5);
  const x = Int16Array.from({ length: rows.length * k }, (_, i) => rows[Math.floor(i / k)]!);
  const weights = Int8Array.from({ length: columns.length * k }, (_, i) => columns[Math.floor(i / k)]!);
  const limit = INT16_BIAS_LIMIT;
  return {
    op: "Dense",
    name: `int16, extreme values K=${k}`,
    attrs: {},
    inputs: [
      { dtype: "int16", shape: [rows.length, k], data: x, quant: grid(1, 0) },
      { dtype: "int8", shape: [columns.length, k], data: weights, constant: true, quant: grid(1, 0) },
      bias([limit, -limit, -limit, limit, 1].slice(0, columns.length)),
    ],
    output: { dtype: "int16", shape: [rows.length, columns.length], quant: grid(2 ** 39 / 32767, 0) },
  };
}

/** Depthwise windows of that many taps, all values at an end of their range. */
function extremeDepthwise(size: number): OpCase {
  const channels = 9;
  const x = Int16Array.from({ length: size * size * channels }, (_, i) => (i % 2 === 0 ? -32768 : 32767));
  const weights = Int8Array.from({ length: size * size * channels }, (_, i) => (i % 3 === 0 ? 127 : -127));
  return {
    op: "DepthwiseConv2D",
    name: `int16, extreme values in a window of ${size}x${size}`,
    attrs: { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1 },
    inputs: [
      { dtype: "int16", shape: [1, size, size, channels], data: x, quant: grid(0.001, 0) },
      { dtype: "int8", shape: [1, size, size, channels], data: weights, constant: true, quant: grid(0.01, 0) },
      bias(Array.from({ length: channels }, (_, c) => (c - 4) * 2 ** 34)),
    ],
    output: { dtype: "int16", shape: [1, 3, 3, channels], quant: grid(size * size * 0.05, 0) },
  };
}

/** Every code, in order. */
function codes(scale: number): CaseTensor {
  return { dtype: "int16", shape: [256, 256], data: Int16Array.from({ length: 65536 }, (_, i) => i - 32768), quant: grid(scale, 0) };
}

function everyCode(): OpCase[] {
  const unary = (attrs: UnaryAttrs, scale: number, to: number): OpCase => ({
    op: "Unary",
    name: `int16 ${attrs.fn}, every code`,
    attrs,
    inputs: [codes(scale)],
    output: { dtype: "int16", shape: [256, 256], quant: grid(to, 0) },
  });
  const requantize = (name: string, x: CaseTensor, output: OpCase["output"]): OpCase => ({
    op: "Requantize",
    name: `${name}, every code`,
    attrs: {},
    inputs: [x],
    output,
  });
  const bytes: CaseTensor = {
    dtype: "int8",
    shape: [256],
    data: Int8Array.from({ length: 256 }, (_, i) => i - 128),
    quant: grid(0.031, -7),
  };
  const wide = { dtype: "int16", shape: [256, 256] } as const;
  return [
    unary({ fn: "relu" }, 0.0003, 0.0003),
    unary({ fn: "sigmoid" }, 0.0003, 2 ** -15),
    unary({ fn: "tanh" }, 0.0003, 2 ** -15),
    unary({ fn: "hardswish" }, 0.0003, 0.0002),
    unary({ fn: "leakyrelu", alpha: 0.1 }, 0.0003, 0.0001),
    requantize("int16 to a finer grid", codes(0.0003), { ...wide, quant: grid(0.0001, 0) }),
    requantize("int16 to a coarser grid", codes(0.0003), { ...wide, quant: grid(0.0011, 0) }),
    requantize("int16 to int8", codes(0.0003), { dtype: "int8", shape: [256, 256], quant: grid(0.071, 5) }),
    requantize("int8 to int16", bytes, { dtype: "int16", shape: [256], quant: grid(0.0002, 0) }),
    { op: "Dequantize", name: "int16, every code", attrs: {}, inputs: [codes(0.0003)], output: { dtype: "float32", shape: [256, 256] } },
    {
      op: "Quantize",
      name: "int16 of floats around steps",
      attrs: {},
      inputs: [{ dtype: "float32", shape: [9, 77], data: Float32Array.from({ length: 693 }, (_, i) => (i - 346) * 0.0321) }],
      output: { dtype: "int16", shape: [9, 77], quant: grid(0.0003, 0) },
    },
  ];
}

const SQUARE = { kernel: [2, 2], strides: [2, 1], dilations: [1, 1], pads: [0, 0, 1, 0] } as const;

function others(): OpCase[] {
  const make = new Maker("int16", 4242);
  const x = (shape: readonly number[], scale = 0.0005): CaseTensor => ({ ...make.activation(shape), quant: grid(scale, 0) });
  const output = (shape: readonly number[], scale = 0.0005): OpCase["output"] => ({ dtype: "int16", shape, quant: grid(scale, 0) });
  return [
    {
      op: "Softmax",
      name: "int16 along a middle axis",
      attrs: { axis: 1, beta: 2 },
      inputs: [x([2, 7, 5])],
      output: output([2, 7, 5], 2 ** -15),
    },
    {
      op: "Softmax",
      name: "int16, 2048 equal classes",
      attrs: { axis: 1, beta: 1 },
      inputs: [{ ...x([1, 2048]), data: new Int16Array(2048).fill(77) }],
      output: output([1, 2048], 2 ** -15),
      expected: new Int16Array(2048).fill(2 ** 15 / 2048),
    },
    {
      op: "Concat",
      name: "int16 from two grids",
      attrs: { axis: 2 },
      inputs: [x([2, 3, 5]), x([2, 3, 4], 0.0003)],
      output: output([2, 3, 9]),
    },
    { op: "Reshape", name: "int16", attrs: {}, inputs: [x([3, 5])], output: output([15, 1]) },
    { op: "Transpose", name: "int16", attrs: { perm: [1, 2, 0] }, inputs: [x([2, 3, 5])], output: output([3, 5, 2]) },
    { op: "Slice", name: "int16", attrs: { starts: [0, 4], steps: [1, -2] }, inputs: [x([3, 5])], output: output([3, 3]) },
    {
      op: "Pad",
      name: "int16",
      attrs: { before: [0, 1], after: [1, 2], mode: "constant", value: 0 },
      inputs: [x([3, 5])],
      output: output([4, 8]),
    },
    {
      op: "Gather",
      name: "int16",
      attrs: { axis: 1 },
      inputs: [x([3, 5]), { dtype: "int32", shape: [3], data: Int32Array.of(4, 0, -2), constant: true }],
      output: output([3, 3]),
    },
    ...(["sum", "max", "min"] as const).map((fn): OpCase => ({
      op: "Reduce",
      name: `int16 ${fn}, on another grid`,
      attrs: { fn, axes: [1], keepDims: false },
      inputs: [x([3, 9, 5])],
      output: output([3, 5], 0.0021),
    })),
    {
      op: "MaxPool2D",
      name: "int16 with a fused clamp, on another grid",
      attrs: { ...SQUARE, countIncludePad: false, activation: { kind: "clamp", min: 0, max: 6 } },
      inputs: [x([1, 3, 4, 5])],
      output: output([1, 2, 3, 5], 0.0007),
    },
    {
      op: "Dense",
      name: "int16 without a bias, one scale",
      attrs: { activation: { kind: "clamp", min: -1, max: 4 } },
      inputs: [x([2, 3, 19]), { ...make.weights([6, 19], 0), quant: grid(0.004, 0) }],
      output: output([2, 3, 6], 0.001),
    },
  ];
}

export function int16Cases(): OpCase[] {
  return [
    ties(),
    ...[1, 255, 256, 511, 512, 513, 1023, 2600].map(extremes),
    extremes(65536),
    extremeDepthwise(3),
    extremeDepthwise(22),
    extremeDepthwise(23),
    ...everyCode(),
    ...others(),
  ];
}
