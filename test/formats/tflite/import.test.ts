/** TFLite import on files written for the purpose: what each operator becomes, and what it computes. */
import { describe, expect, it } from "vitest";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { ShapeError, UnsupportedError } from "../../../src/errors.ts";
import { importModel } from "../../../src/formats/detect.ts";
import { importTflite } from "../../../src/formats/tflite/import.ts";
import type { Graph, Shape } from "../../../src/graph/ir.ts";
import { validateGraph } from "../../../src/graph/validate.ts";
import { opsOf, runGraph } from "../../graph/run.ts";
import {
  convOptions,
  depthwiseOptions,
  oneOperator,
  poolOptions,
  smallNet,
  writeTflite,
  type OptionField,
  type TensorSpec,
} from "./write.ts";

function open(bytes: Uint8Array, shapes?: ReadonlyMap<string, Shape>): Graph {
  const graph = importTflite(bytes, { name: "t.tflite", evaluate: evaluateNode, ...(shapes && { shapes }) });
  validateGraph(graph);
  return graph;
}

const float = (name: string, shape: readonly number[], data?: readonly number[]): TensorSpec => ({
  name,
  shape,
  type: "FLOAT32",
  ...(data && { data: Float32Array.from(data) }),
});
const ints = (name: string, data: readonly number[]): TensorSpec => ({
  name,
  shape: [data.length],
  type: "INT32",
  data: Int32Array.from(data),
});
const int8 = (name: string, shape: readonly number[], scale: number, zero: number, data?: readonly number[]): TensorSpec => ({
  name,
  shape,
  type: "INT8",
  quant: { scales: [scale], zeroPoints: [zero] },
  ...(data && { data: Int8Array.from(data) }),
});

/** Runs a file with one operator on one input. */
async function compute(
  op: string,
  input: TensorSpec,
  constants: readonly TensorSpec[],
  output: TensorSpec,
  options: readonly OptionField[],
  x: readonly number[],
): Promise<number[]> {
  const graph = open(oneOperator(op, input, constants, output, options));
  const typed = input.type === "INT8" ? Int8Array.from(x) : input.type === "UINT8" ? Uint8Array.from(x) : Float32Array.from(x);
  return [...(await runGraph(graph, [typed]))[0]!];
}

describe("convolutions and pools", () => {
  it.each([
    { size: 5, kernel: 3, stride: 2, pads: [1, 1, 1, 1] },
    { size: 6, kernel: 3, stride: 2, pads: [0, 0, 1, 1] },
    { size: 7, kernel: 2, stride: 3, pads: [0, 0, 1, 1] },
    { size: 4, kernel: 1, stride: 2, pads: [0, 0, 0, 0] },
  ])("SAME: size $size, kernel $kernel, stride $stride pads more at the end", ({ size, kernel, stride, pads }) => {
    const out = Math.ceil(size / stride);
    const graph = open(
      oneOperator(
        "CONV_2D",
        float("x", [1, size, size, 1]),
        [float("w", [1, kernel, kernel, 1], new Array<number>(kernel * kernel).fill(1)), float("b", [1], [0])],
        float("y", [1, out, out, 1]),
        convOptions("same", stride),
      ),
    );
    const [node] = graph.nodes;
    expect(node?.op === "Conv2D" && node.attrs.pads).toEqual(pads);
  });

  it("CONV_2D in float with fused RELU6", async () => {
    const y = await compute(
      "CONV_2D",
      float("x", [1, 2, 2, 1]),
      [float("w", [2, 2, 2, 1], [1, 1, 1, 1, -1, -1, -1, -1]), float("b", [2], [0.5, 20])],
      float("y", [1, 1, 1, 2]),
      convOptions("valid", 1, 3),
      [1, 1, 1, 0.25],
    );
    expect(y).toEqual([3.75, 6]);
  });

  it("CONV_2D with grouped weights", () => {
    const graph = open(
      oneOperator(
        "CONV_2D",
        float("x", [1, 1, 1, 4]),
        [float("w", [2, 1, 1, 2], [1, 2, 3, 4]), float("b", [2], [0, 0])],
        float("y", [1, 1, 1, 2]),
        convOptions("valid", 1),
      ),
    );
    const [node] = graph.nodes;
    expect(node?.op === "Conv2D" && node.attrs.groups).toBe(2);
  });

  it("DEPTHWISE_CONV_2D with a channel multiplier of 2", async () => {
    const y = await compute(
      "DEPTHWISE_CONV_2D",
      float("x", [1, 1, 1, 2]),
      [float("w", [1, 1, 1, 4], [1, 2, 3, 4]), float("b", [4], [0, 0, 0, 1])],
      float("y", [1, 1, 1, 4]),
      depthwiseOptions("same", 1, 2),
      [10, 100],
    );
    expect(y).toEqual([10, 20, 300, 401]);
  });

  it("keeps per-axis int8 weights: axis 0 of a convolution, axis 3 of a depthwise one", () => {
    const graph = open(smallNet());
    expect(graph.tensors.get("w0")?.quant?.axis).toBe(0);
    expect(graph.tensors.get("w1")?.quant?.axis).toBe(3);
    expect(opsOf(graph)).toEqual(["Conv2D", "DepthwiseConv2D", "AveragePool2D", "Reshape", "Dense", "Softmax"]);
  });

  it("keeps hybrid weights as their int8 code", async () => {
    const weights = int8("w", [1, 2], 0.5, 0, [2, -4]);
    const file = oneOperator("FULLY_CONNECTED", float("x", [1, 2]), [weights, float("b", [1], [1])], float("y", [1, 1]), [
      { field: 0, int8: 0 },
    ]);
    const graph = importModel(file, { name: "t", evaluate: evaluateNode });
    expect(opsOf(graph)).toEqual(["Dense"]);
    const code = { kind: "int8", axis: 0, scales: Float32Array.of(0.5), codes: Int8Array.of(2, -4) };
    expect(graph.tensors.get(graph.nodes[0]!.inputs[1]!)).toMatchObject({ data: Float32Array.of(1, -2), code });
    expect([...(await runGraph(graph, [Float32Array.of(3, 1)]))[0]!]).toEqual([2]);
  });

  it("runs unsigned asymmetric weights, which fit no int8 grid, in float", async () => {
    const q = (name: string, shape: readonly number[], scale: number, zero: number, data?: readonly number[]): TensorSpec => ({
      name,
      shape,
      type: "UINT8",
      quant: { scales: [scale], zeroPoints: [zero] },
      ...(data && { data: Uint8Array.from(data) }),
    });
    // w = (0 - 200)·0.1 = -20 and (255 - 200)·0.1 = 5.5
    const bias: TensorSpec = { name: "b", shape: [1], type: "INT32", data: Int32Array.of(100), quant: { scales: [0.05], zeroPoints: [0] } };
    const file = oneOperator(
      "FULLY_CONNECTED",
      q("x", [1, 2], 0.5, 128),
      [q("w", [1, 2], 0.1, 200, [0, 255]), bias],
      q("y", [1, 1], 1, 100),
      [{ field: 0, int8: 0 }],
    );
    const graph = importModel(file, { name: "t", evaluate: evaluateNode });
    expect(graph.tensors.get("y")?.dtype).toBe("uint8");
    // x = 1 and 2: -20 + 11 + 5 = -4
    expect([...(await runGraph(graph, [Uint8Array.of(130, 132)]))[0]!]).toEqual([96]);
  });

  it("runs int16 activations with int8 weights and an int64 bias on integers", async () => {
    const wide = (name: string, shape: readonly number[], scale: number): TensorSpec => ({
      name,
      shape,
      type: "INT16",
      quant: { scales: [scale], zeroPoints: [0] },
    });
    const bias: TensorSpec = { name: "b", shape: [1], type: "INT64", data: BigInt64Array.of(2n ** 33n) };
    const w = int8("w", [1, 2], 1, 0, [127, -127]);
    const file = oneOperator("FULLY_CONNECTED", wide("x", [1, 2], 1), [w, bias], wide("y", [1, 1], 2 ** 19), [{ field: 0, int8: 0 }]);
    const graph = importModel(file, { name: "t", evaluate: evaluateNode });
    expect(graph.nodes.map(({ op }) => op)).toEqual(["Dense"]);
    // (32767 * 127 + 32768 * 127 + 2^33) / 2^19 = 16399.87
    expect([...(await runGraph(graph, [Int16Array.of(32767, -32768)]))[0]!]).toEqual([16400]);
    const mixed = oneOperator("FULLY_CONNECTED", wide("x", [1, 2], 1), [w], int8("y", [1, 1], 1, 0), [{ field: 0, int8: 0 }]);
    expect(opsOf(importModel(mixed, { name: "t", evaluate: evaluateNode }))).toContain("Dequantize");
  });

  it("FULLY_CONNECTED flattens its input, or keeps the leading dimensions when told to", () => {
    const w = float("w", [1, 2], [1, 1]);
    const flat = open(oneOperator("FULLY_CONNECTED", float("x", [3, 2, 1]), [w], float("y", [3, 1]), [{ field: 0, int8: 0 }]));
    expect(opsOf(flat)).toEqual(["Reshape", "Dense"]);
    const kept = open(oneOperator("FULLY_CONNECTED", float("x", [3, 1, 2]), [w], float("y", [3, 1, 1]), [{ field: 2, bool: true }]));
    expect(opsOf(kept)).toEqual(["Dense"]);
  });

  it("AVERAGE_POOL_2D with SAME padding divides by what lies inside the image", async () => {
    const y = await compute(
      "AVERAGE_POOL_2D",
      float("x", [1, 3, 3, 1]),
      [],
      float("y", [1, 2, 2, 1]),
      poolOptions("same", 2, 2),
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    expect(y).toEqual([3, 4.5, 7.5, 9]);
  });

  it("MAX_POOL_2D", async () => {
    const x = int8("x", [1, 2, 2, 1], 0.1, 0);
    expect(await compute("MAX_POOL_2D", x, [], int8("y", [1, 1, 1, 1], 0.1, 0), poolOptions("valid", 2, 2), [-5, 3, 7, -128])).toEqual([7]);
  });

  it("TRANSPOSE_CONV doubles an image", async () => {
    const file = writeTflite({
      tensors: [float("x", [1, 1, 2, 1]), ints("s", [1, 2, 4, 1]), float("w", [1, 2, 2, 1], [1, 2, 3, 4]), float("y", [1, 2, 4, 1])],
      operators: [{ op: "TRANSPOSE_CONV", inputs: [1, 2, 0], outputs: [3], options: convOptions("same", 2) }],
      inputs: [0],
      outputs: [3],
    });
    expect([...(await runGraph(open(file), [Float32Array.of(1, 10)]))[0]!]).toEqual([1, 2, 10, 20, 3, 4, 30, 40]);
  });
});

describe("arithmetic", () => {
  const x = float("x", [1, 4]);
  const y = float("y", [1, 4]);
  it.each([
    ["RELU", [], [0, 0, 1, 8]],
    ["RELU6", [], [0, 0, 1, 6]],
    ["RELU_N1_TO_1", [], [-1, -0.5, 1, 1]],
    ["ABS", [], [4, 0.5, 1, 8]],
    ["NEG", [], [4, 0.5, -1, -8]],
    ["SQUARE", [], [16, 0.25, 1, 64]],
    ["FLOOR", [], [-4, -1, 1, 8]],
    ["LEAKY_RELU", [{ field: 0, float32: 0.25 }], [-1, -0.125, 1, 8]],
    ["HARD_SWISH", [], [0, Math.fround((-0.5 * 2.5) / 6), Math.fround(4 / 6), 8]],
  ] as const)("%s", async (op, options, expected) => {
    const result = await compute(op, x, [], y, options, [-4, -0.5, 1, 8]);
    result.forEach((v, i) => expect(v).toBeCloseTo(expected[i]!, 6));
  });

  it.each([
    ["ADD", [3, 4, 5]],
    ["SUB", [-1, 0, 1]],
    ["MUL", [2, 4, 6]],
    ["DIV", [0.5, 1, 1.5]],
    ["MAXIMUM", [2, 2, 3]],
    ["MINIMUM", [1, 2, 2]],
    ["SQUARED_DIFFERENCE", [1, 0, 1]],
  ] as const)("%s broadcasts", async (op, expected) => {
    expect(await compute(op, float("x", [1, 3]), [float("c", [1], [2])], float("y", [1, 3]), [], [1, 2, 3])).toEqual(expected);
  });

  it("ADD, SUB and MUL stay integer; DIV and MAXIMUM of quantized tensors run in float between Dequantize and Quantize", () => {
    const q = (op: string): readonly string[] =>
      opsOf(open(oneOperator(op, int8("x", [1, 2], 0.1, 1), [int8("c", [1, 2], 0.2, 0, [5, 9])], int8("y", [1, 2], 0.1, 0))));
    for (const op of ["ADD", "SUB", "MUL"]) expect(q(op)).toEqual(["Binary"]);
    for (const op of ["DIV", "MAXIMUM"]) expect(q(op)).toEqual(["Dequantize", "Dequantize", "Binary", "Quantize"]);
  });

  it("PRELU has one slope a channel", async () => {
    expect(await compute("PRELU", float("x", [1, 2]), [float("a", [2], [0.5, 0.25])], float("y", [1, 2]), [], [-2, -4])).toEqual([-1, -1]);
  });

  it("MEAN over the image, in float and in int8", async () => {
    const axes = ints("axes", [1, 2]);
    expect(await compute("MEAN", float("x", [1, 2, 2, 1]), [axes], float("y", [1, 1]), [], [1, 2, 3, 6])).toEqual([3]);
    const kept = open(
      oneOperator("MEAN", int8("x", [1, 2, 2, 1], 0.1, 0), [axes], int8("y", [1, 1, 1, 1], 0.1, 0), [{ field: 0, bool: true }]),
    );
    expect(opsOf(kept)).toEqual(["Reduce"]);
  });

  it("SOFTMAX is integer on its pinned grid only", () => {
    const on = (scale: number, zero: number): readonly string[] =>
      opsOf(open(oneOperator("SOFTMAX", int8("x", [1, 3], 0.1, 0), [], int8("y", [1, 3], scale, zero), [{ field: 0, float32: 1 }])));
    expect(on(1 / 256, -128)).toEqual(["Softmax"]);
    expect(on(1 / 128, -128)).toEqual(["Dequantize", "Softmax", "Quantize"]);
  });

  it("LOGISTIC and TANH in int8 become tables", async () => {
    const logistic = await compute("LOGISTIC", int8("x", [1, 2], 0.1, 0), [], int8("y", [1, 2], 1 / 256, -128), [], [0, 127]);
    expect(logistic).toEqual([0, 127]);
    expect(await compute("TANH", int8("x", [1, 2], 0.1, 0), [], int8("y", [1, 2], 1 / 128, 0), [], [0, -128])).toEqual([0, -128]);
  });

  it("QUANTIZE and DEQUANTIZE", async () => {
    expect(await compute("QUANTIZE", float("x", [3]), [], int8("y", [3], 0.5, -1), [], [0, 1, 1000])).toEqual([-1, 1, 127]);
    expect(await compute("DEQUANTIZE", int8("x", [2], 0.5, -1), [], float("y", [2]), [], [-1, 3])).toEqual([0, 2]);
    expect(await compute("QUANTIZE", int8("x", [2], 0.5, 0), [], int8("y", [2], 0.25, 10), [], [1, 2])).toEqual([12, 14]);
  });

  it("float16 constants are widened, and their DEQUANTIZE vanishes", async () => {
    const half: TensorSpec = { name: "h", shape: [3], type: "FLOAT16", data: Uint16Array.of(0x3c00, 0xc100, 0x0001) };
    const file = writeTflite({
      tensors: [float("x", [3]), half, float("w", [3]), float("y", [3])],
      operators: [
        { op: "DEQUANTIZE", inputs: [1], outputs: [2] },
        { op: "ADD", inputs: [0, 2], outputs: [3] },
      ],
      inputs: [0],
      outputs: [3],
    });
    const graph = open(file);
    expect(opsOf(graph)).toEqual(["Binary"]);
    expect([...(await runGraph(graph, [new Float32Array(3)]))[0]!]).toEqual([1, -2.5, 2 ** -24]);
  });
});

describe("shapes", () => {
  it.each([
    ["RESHAPE", [ints("s", [3, -1])], [3, 2], [], [1, 2, 3, 4, 5, 6]],
    ["TRANSPOSE", [ints("p", [1, 0])], [3, 2], [], [1, 4, 2, 5, 3, 6]],
    ["EXPAND_DIMS", [ints("a", [-1])], [2, 3, 1], [], [1, 2, 3, 4, 5, 6]],
    ["SLICE", [ints("b", [0, 1]), ints("s", [-1, 2])], [2, 2], [], [2, 3, 5, 6]],
    ["PAD", [ints("p", [0, 0, 1, 0])], [2, 4], [], [0, 1, 2, 3, 0, 4, 5, 6]],
    ["MIRROR_PAD", [ints("p", [0, 0, 1, 0])], [2, 4], [], [2, 1, 2, 3, 5, 4, 5, 6]],
    ["GATHER", [ints("i", [2, 0])], [2, 2], [{ field: 0, int32: 1 }], [3, 1, 6, 4]],
    ["STRIDED_SLICE", [ints("b", [0, -1]), ints("e", [2, 0]), ints("s", [1, -1])], [2, 2], [], [3, 2, 6, 5]],
    ["STRIDED_SLICE", [ints("b", [1, 0]), ints("e", [2, 3]), ints("s", [1, 1])], [3], [{ field: 4, int32: 1 }], [4, 5, 6]],
  ] as const)("%s", async (op, constants, shape, options, expected) => {
    expect(await compute(op, float("x", [2, 3]), constants, float("y", shape), options, [1, 2, 3, 4, 5, 6])).toEqual(expected);
  });

  it("CONCATENATION counts a negative axis from the end", async () => {
    const y = await compute(
      "CONCATENATION",
      float("x", [1, 2]),
      [float("c", [1, 1], [9])],
      float("y", [1, 3]),
      [{ field: 0, int32: -1 }],
      [1, 2],
    );
    expect(y).toEqual([1, 2, 9]);
  });

  it("SPLIT has several outputs", async () => {
    const file = writeTflite({
      tensors: [float("x", [1, 4]), ints("axis", [1]), float("a", [1, 2]), float("b", [1, 2])],
      operators: [{ op: "SPLIT", inputs: [1, 0], outputs: [2, 3] }],
      inputs: [0],
      outputs: [3, 2],
    });
    expect((await runGraph(open(file), [Float32Array.of(1, 2, 3, 4)])).map((o) => [...o])).toEqual([
      [3, 4],
      [1, 2],
    ]);
  });

  it("PADV2 of int8 with another value than zero goes through float", async () => {
    const fill = int8("v", [1], 0.5, 0, [6]);
    const y = await compute("PADV2", int8("x", [1, 1], 0.5, 0), [ints("p", [0, 0, 1, 1]), fill], int8("y", [1, 3], 0.5, 0), [], [4]);
    expect(y).toEqual([6, 4, 6]);
  });

  it("moving bytes onto another grid takes a Requantize", async () => {
    const y = await compute("RESHAPE", int8("x", [1, 2], 0.5, 0), [ints("s", [2])], int8("y", [2], 0.25, 1), [], [1, -2]);
    expect(y).toEqual([3, -3]);
  });

  it.each([
    ["half-pixel centres", [{ field: 1, bool: true }], [1, 1, 2, 2]],
    ["corners at the same place", [], [1, 1, 2, 2]],
  ] as const)("RESIZE_NEAREST_NEIGHBOR, %s", async (_, options, expected) => {
    const y = await compute(
      "RESIZE_NEAREST_NEIGHBOR",
      float("x", [1, 1, 2, 1]),
      [ints("s", [1, 4])],
      float("y", [1, 1, 4, 1]),
      options,
      [1, 2],
    );
    expect(y).toEqual(expected);
  });

  it("RESIZE_BILINEAR with half-pixel centres", async () => {
    const options = [{ field: 3, bool: true }];
    const y = await compute("RESIZE_BILINEAR", float("x", [1, 1, 2, 1]), [ints("s", [1, 4])], float("y", [1, 1, 4, 1]), options, [0, 4]);
    expect(y).toEqual([0, 1, 3, 4]);
  });

  it("folds the shape arithmetic of a Keras flatten: SHAPE, STRIDED_SLICE, PACK, RESHAPE", () => {
    const file = writeTflite({
      tensors: [
        float("x", [2, 3, 4]),
        { name: "shape", shape: [3], type: "INT32" },
        ints("begin", [0]),
        ints("end", [1]),
        ints("stride", [1]),
        { name: "batch", shape: [], type: "INT32" },
        { name: "rest", shape: [], type: "INT32", data: Int32Array.of(12) },
        { name: "target", shape: [2], type: "INT32" },
        float("y", [2, 12]),
      ],
      operators: [
        { op: "SHAPE", inputs: [0], outputs: [1] },
        { op: "STRIDED_SLICE", inputs: [1, 2, 3, 4], outputs: [5], options: [{ field: 4, int32: 1 }] },
        { op: "PACK", inputs: [5, 6], outputs: [7], options: [{ field: 0, int32: 2 }] },
        { op: "RESHAPE", inputs: [0, 7], outputs: [8] },
      ],
      inputs: [0],
      outputs: [8],
    });
    const graph = importModel(file, { name: "t", evaluate: evaluateNode });
    expect(opsOf(graph)).toEqual(["Reshape"]);
    expect(graph.tensors.get("y")?.shape).toEqual([2, 12]);
  });

  it("binds a dynamic batch and infers all shapes anew", () => {
    const graph = open(smallNet(), new Map([["in", [5, 6, 6, 1]]]));
    expect(graph.tensors.get("out")?.shape).toEqual([5, 3]);
    expect(() => open(smallNet(), new Map([["in", [1, 7, 6, 1]]]))).toThrow(
      /input "in" is given shape \[1, 7, 6, 1\], expected \[\?, 6, 6, 1\]/,
    );
    expect(() => open(smallNet(), new Map([["wrong", [1]]]))).toThrow(/no input "wrong", expected one of "in"/);
  });
});

describe("refusals", () => {
  it("names the unknown operator, its index and all others", () => {
    const t = float("x", [1]);
    const file = writeTflite({
      tensors: [t, float("a", [1]), float("b", [1]), float("c", [1])],
      operators: [
        { op: "RELU", inputs: [0], outputs: [1] },
        { op: "LSTM", inputs: [1], outputs: [2] },
        { op: "MyOp", inputs: [2], outputs: [3] },
      ],
      inputs: [0],
      outputs: [3],
    });
    expect(() => open(file)).toThrow(UnsupportedError);
    expect(() => open(file)).toThrow('t.tflite: operator 1 (LSTM) is not supported, nor are CUSTOM "MyOp"');
  });

  it("refuses fused TANH, int16 activations with a zero point and mixed types by name", () => {
    const fused = oneOperator("ADD", float("x", [1]), [float("c", [1], [1])], float("y", [1]), [{ field: 0, int8: 4 }]);
    expect(() => open(fused)).toThrow(/operator 0 \(ADD\): fused activation TANH is not supported/);
    const int16: TensorSpec = { name: "x", shape: [1], type: "INT16", quant: { scales: [0.1], zeroPoints: [1] } };
    expect(() => open(oneOperator("RELU", int16, [], { ...int16, name: "y" }))).toThrow(/operator 0 \(RELU\): the input is int16/);
    expect(() => open(oneOperator("RELU", float("x", [1]), [], int8("y", [1], 0.1, 0)))).toThrow(
      /is float32, the output is 8-bit quantized/,
    );
  });

  it("refuses conversions to the wrong side", () => {
    const x = int8("x", [1], 0.1, 0);
    expect(() => open(oneOperator("DEQUANTIZE", x, [], int8("y", [1], 0.1, 0)))).toThrow("the output is int8, expected float32");
    expect(() => open(oneOperator("QUANTIZE", x, [], float("y", [1])))).toThrow("the output is float32 without quantization");
  });

  it("compares inferred shapes with those that the file states", () => {
    const file = oneOperator("RELU", float("x", [2]), [], float("y", [3]));
    expect(() => open(file)).toThrow(ShapeError);
    expect(() => open(file)).toThrow("operator 0 (RELU): output has shape [2], the file states [3]");
  });
});
