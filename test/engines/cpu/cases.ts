/** Op cases for what only the CPU engine promises: doubles, plain integers, uint8 everywhere, integer transposed convolution. */
import { createArray, elementCount } from "../../../src/graph/dtype.ts";
import type { DType } from "../../../src/graph/dtype.ts";
import { Maker, grid } from "../generated.ts";
import type { CaseTensor, OpCase } from "../vectors.ts";

const SQUARE = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1 } as const;

/** Small whole numbers, exact in every type. */
function counting(dtype: DType, shape: readonly number[], constant = false): CaseTensor {
  const data = createArray(dtype, elementCount(shape));
  for (let i = 0; i < data.length; i++) data[i] = ((i * 7) % 11) - (dtype.startsWith("u") || dtype === "bool" ? 0 : 5);
  return { dtype, shape, data, constant };
}

function generalCases(dtype: "float64" | "int32"): OpCase[] {
  const of = (shape: readonly number[], constant = false): CaseTensor => counting(dtype, shape, constant);
  const output = (shape: readonly number[]): Omit<CaseTensor, "data"> => ({ dtype, shape });
  const clamp = { kind: "clamp", min: -20, max: 30 } as const;
  const pool = { kernel: [2, 2], strides: [2, 1], dilations: [1, 1], pads: [0, 0, 1, 0], countIncludePad: false } as const;
  return [
    {
      op: "Conv2D",
      name: `${dtype}, two groups`,
      attrs: { ...SQUARE, strides: [2, 1], groups: 2, activation: clamp },
      inputs: [of([1, 4, 5, 4]), of([6, 3, 3, 2], true), of([6])],
      output: output([1, 2, 5, 6]),
    },
    {
      op: "DepthwiseConv2D",
      name: `${dtype}, multiplier 2`,
      attrs: { ...SQUARE, activation: clamp },
      inputs: [of([1, 4, 5, 3]), of([1, 3, 3, 6], true)],
      output: output([1, 4, 5, 6]),
    },
    {
      op: "ConvTranspose2D",
      name: `${dtype}, stride 2`,
      attrs: { ...SQUARE, strides: [2, 2], outputPadding: [1, 0] },
      inputs: [of([1, 3, 2, 2]), of([3, 3, 3, 2], true)],
      output: output([1, 6, 3, 3]),
    },
    { op: "Dense", name: dtype, attrs: {}, inputs: [of([2, 5]), of([3, 5], true), of([3])], output: output([2, 3]) },
    {
      op: "MatMul",
      name: `${dtype}, batched`,
      attrs: { transposeA: false, transposeB: true },
      inputs: [of([2, 3, 4]), of([5, 4])],
      output: output([2, 3, 5]),
    },
    { op: "MaxPool2D", name: dtype, attrs: pool, inputs: [of([1, 3, 4, 2])], output: output([1, 2, 3, 2]) },
  ];
}

function doubleCases(): OpCase[] {
  const x = counting("float64", [2, 3, 4, 2]);
  return [
    {
      op: "AveragePool2D",
      name: "float64",
      attrs: { kernel: [2, 2], strides: [1, 2], dilations: [1, 1], pads: [0, 0, 1, 0], countIncludePad: true },
      inputs: [x],
      output: { dtype: "float64", shape: [2, 3, 2, 2] },
    },
    { op: "Softmax", name: "float64", attrs: { axis: 2, beta: 0.5 }, inputs: [x], output: { dtype: "float64", shape: x.shape } },
    { op: "Quantize", name: "from float64", attrs: {}, inputs: [x], output: { dtype: "int8", shape: x.shape, quant: grid(0.5, 3) } },
  ];
}

/** uint8 through ops whose vectors are int8. */
function byteCases(): OpCase[] {
  const make = new Maker("uint8", 77);
  const bytes = { ...make.activation([256]), data: createArray("uint8", 256).map((_: number, i: number) => i) };
  const x = make.activation([3, 5, 4]);
  const arithmetic = (["sub", "mul"] as const).map((fn): OpCase => ({
    op: "Binary",
    name: `uint8 ${fn}`,
    attrs: { fn },
    inputs: [x, make.activation([4])],
    output: make.output([3, 5, 4], 25),
  }));
  const reductions = (["mean", "sum", "max", "min"] as const).map((fn): OpCase => ({
    op: "Reduce",
    name: `uint8 ${fn}`,
    attrs: { fn, axes: [1], keepDims: false },
    inputs: [x],
    output: make.output([3, 4], 25),
  }));
  return [
    ...arithmetic,
    ...reductions,
    {
      op: "Softmax",
      name: "uint8",
      attrs: { axis: 2, beta: 1 },
      inputs: [x],
      output: { dtype: "uint8", shape: x.shape, quant: grid(1 / 256, 0) },
    },
    {
      op: "Requantize",
      name: "uint8 to int8, every byte",
      attrs: {},
      inputs: [bytes],
      output: { dtype: "int8", shape: [256], quant: grid(0.07, -3) },
    },
  ];
}

function integerMatrixCases(): OpCase[] {
  return (["int8", "uint8"] as const).flatMap((type): OpCase[] => {
    const make = new Maker(type, 78);
    const k = [1, 3, 9].map((groups): OpCase => {
      const channels = groups * 3;
      return {
        op: "ConvTranspose2D",
        name: `${type}, stride 2x3, ${groups} groups`,
        attrs: { strides: [2, 3], dilations: [1, 1], pads: [1, 0, 0, 1], outputPadding: [0, 1], groups, ...make.clamp() },
        inputs: [make.activation([2, 3, 4, groups * 5]), make.weights([channels, 3, 3, 5], 0), make.bias(channels)],
        output: make.output([2, 6, 12, channels], 20),
      };
    });
    const blocks = [8, 4].map((cols): OpCase => {
      const pattern = { pattern: "block", rows: 1, cols } as const;
      return {
        op: "Dense",
        name: `${type}, 1x${cols} blocks of zeros over a long sum`,
        attrs: {},
        inputs: [make.activation([9, 2500]), make.weights([21, 2500], 0, 0.5, pattern), make.bias(21)],
        output: make.output([9, 21], 2500),
      };
    });
    const scattered: OpCase = {
      op: "Dense",
      name: `${type}, scattered zeros over a long sum`,
      attrs: {},
      inputs: [make.activation([3, 2600]), make.weights([5, 2600], 0, 0.55, { pattern: "unstructured" }), make.bias(5)],
      output: make.output([3, 5], 2600),
    };
    return [...k, ...blocks, scattered];
  });
}

/** Reduce min of int8 has no golden vector. */
function minimum(): OpCase {
  const make = new Maker("int8", 79);
  return {
    op: "Reduce",
    name: "int8 min",
    attrs: { fn: "min", axes: [0], keepDims: true },
    inputs: [make.activation([3, 4])],
    output: make.output([1, 4]),
  };
}

export function cpuCases(): OpCase[] {
  return [...generalCases("float64"), ...generalCases("int32"), ...doubleCases(), ...byteCases(), ...integerMatrixCases(), minimum()];
}
