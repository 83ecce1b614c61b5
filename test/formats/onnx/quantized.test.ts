/** Quantized ONNX models: the grid survives the import, integer ops come out, results match onnxruntime within one step. */
import { describe, expect, it } from "vitest";
import { mulberry32 } from "../../../src/data/random.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { tensorOf } from "../../../src/graph/access.ts";
import { elementCount } from "../../../src/graph/dtype.ts";
import type { Shape } from "../../../src/graph/ir.ts";
import { standardPasses } from "../../../src/graph/passes/index.ts";
import { ELEM, floats, importTest, onnxFile, runOrt, runOurs, type TestModel, type TestTensor } from "./model.ts";

const scalar = (value: number): TestTensor => ({ shape: [], data: Float32Array.of(value) });
const zeroInt8 = (value: number): TestTensor => ({ shape: [], data: Int8Array.of(value) });
const zeroUint8 = (value: number): TestTensor => ({ shape: [], data: Uint8Array.of(value) });

function int8s(shape: Shape, random: () => number): TestTensor {
  return { shape, data: Int8Array.from({ length: elementCount(shape) }, () => Math.floor(random() * 255) - 127) };
}

function uint8s(shape: Shape, random: () => number): TestTensor {
  return { shape, data: Uint8Array.from({ length: elementCount(shape) }, () => Math.floor(random() * 256)) };
}

/** Largest difference in units of `step`. */
async function stepsApart(model: TestModel, inputs: Readonly<Record<string, TestTensor>>, step: number): Promise<number> {
  const bytes = onnxFile(model);
  const [want] = await runOrt(bytes, inputs);
  const [got] = await runOurs(
    bytes,
    Object.values(inputs).map((t) => t.data),
  );
  expect(got!.shape).toEqual([...want!.shape]);
  let worst = 0;
  want!.data.forEach((v, i) => (worst = Math.max(worst, Math.abs(v - got!.data[i]!) / step)));
  return worst;
}

describe("QDQ", () => {
  const random = mulberry32(11);
  const model: TestModel = {
    inputs: { x: [1, 3, 8, 8] },
    initializers: {
      xs: scalar(0.02),
      xz: zeroInt8(5),
      w: int8s([6, 3, 3, 3], random),
      ws: { shape: [6], data: Float32Array.from({ length: 6 }, () => 0.002 + random() * 0.01) },
      wz: { shape: [6], data: new Int8Array(6) },
      b: { dtype: "int32", shape: [6], data: Int32Array.from({ length: 6 }, () => Math.floor(random() * 4000) - 2000) },
      bs: scalar(0.0001),
      ys: scalar(0.05),
      yz: zeroInt8(-10),
    },
    nodes: [
      { op: "QuantizeLinear", inputs: ["x", "xs", "xz"], outputs: ["xq"] },
      { op: "DequantizeLinear", inputs: ["xq", "xs", "xz"], outputs: ["xf"] },
      { op: "DequantizeLinear", inputs: ["w", "ws", "wz"], outputs: ["wf"], attributes: { axis: 0 } },
      { op: "DequantizeLinear", inputs: ["b", "bs"], outputs: ["bf"] },
      { op: "Conv", name: "conv", inputs: ["xf", "wf", "bf"], outputs: ["c"], attributes: { pads: [1, 1, 1, 1] } },
      { op: "Relu", inputs: ["c"], outputs: ["r"] },
      { op: "QuantizeLinear", inputs: ["r", "ys", "yz"], outputs: ["rq"] },
      { op: "DequantizeLinear", inputs: ["rq", "ys", "yz"], outputs: ["y"] },
    ],
    outputs: ["y"],
  };

  it("becomes Quantize and Dequantize on tensors with their grid; weights stay int8, output channels first", () => {
    const graph = importTest(onnxFile(model));
    const weights = [...graph.tensors.values()].find((t) => t.dtype === "int8" && t.data !== undefined)!;
    expect(weights.shape).toEqual([6, 3, 3, 3]);
    expect(weights.quant?.axis).toBe(0);
    expect(weights.quant?.scales).toEqual(model.initializers!["ws"]!.data);
    const quantized = graph.nodes.filter((n) => n.op === "Quantize").map((n) => tensorOf(graph, n.outputs[0]!));
    expect(quantized.map((t) => [t.dtype, t.quant?.scales[0], t.quant?.zeroPoints[0]])).toEqual([
      ["int8", Math.fround(0.02), 5],
      ["int8", Math.fround(0.05), -10],
    ]);
    expect(graph.nodes.filter((n) => n.op === "Transpose").length).toBe(2);
  });

  it("the weights' transposition is done on the integers", () => {
    const graph = importTest(onnxFile(model));
    const weights = [...graph.tensors.values()].find((t) => t.dtype === "int8" && t.data !== undefined)!;
    const original = model.initializers!["w"]!.data;
    // [O, I, KH, KW] = [1, 2, 0, 1] → [O, KH, KW, I] = [1, 0, 1, 2]
    expect(weights.data![((1 * 3 + 0) * 3 + 1) * 3 + 2]).toBe(original[((1 * 3 + 2) * 3 + 0) * 3 + 1]);
  });

  it("fuses to an integer convolution and matches the oracle within a step", async () => {
    const graph = standardPasses(importTest(onnxFile(model)), evaluateNode);
    const conv = graph.nodes.find((n) => n.op === "Conv2D")!;
    expect(conv.name).toBe("conv");
    expect(tensorOf(graph, conv.inputs[0]!).dtype).toBe("int8");
    expect(tensorOf(graph, conv.outputs[0]!).dtype).toBe("int8");
    const x = floats([1, 3, 8, 8], () => random() * 4 - 2);
    expect(await stepsApart(model, { x }, 0.05)).toBeLessThanOrEqual(1.001);
  });

  it("fake-quantized float weights (Q → DQ of a constant) and transposed ones become int8 constants", async () => {
    const dense: TestModel = {
      inputs: { x: [2, 6] },
      initializers: {
        xs: scalar(0.03),
        xz: zeroInt8(0),
        w: floats([4, 6], () => random() - 0.5),
        ws: scalar(0.004),
        ys: scalar(0.02),
      },
      nodes: [
        { op: "QuantizeLinear", inputs: ["x", "xs", "xz"], outputs: ["xq"] },
        { op: "DequantizeLinear", inputs: ["xq", "xs", "xz"], outputs: ["xf"] },
        { op: "QuantizeLinear", inputs: ["w", "ws", "xz"], outputs: ["wq"] },
        { op: "DequantizeLinear", inputs: ["wq", "ws", "xz"], outputs: ["wf"] },
        { op: "Transpose", inputs: ["wf"], outputs: ["wt"], attributes: { perm: [1, 0] } },
        { op: "MatMul", inputs: ["xf", "wt"], outputs: ["m"] },
        { op: "QuantizeLinear", inputs: ["m", "ys", "xz"], outputs: ["mq"] },
        { op: "DequantizeLinear", inputs: ["mq", "ys", "xz"], outputs: ["y"] },
      ],
      outputs: ["y"],
    };
    const graph = standardPasses(importTest(onnxFile(dense)), evaluateNode);
    const node = graph.nodes.find((n) => n.op === "Dense")!;
    expect(tensorOf(graph, node.inputs[1]!)).toMatchObject({ dtype: "int8", shape: [4, 6] });
    const x = floats([2, 6], () => random() * 4 - 2);
    expect(await stepsApart(dense, { x }, 0.02)).toBeLessThanOrEqual(1.001);
  });
});

describe("integer graph inputs", () => {
  it("take their grid from the DequantizeLinear that reads them, through a Transpose too", () => {
    for (const through of [false, true]) {
      const graph = importTest(
        onnxFile({
          inputs: { x: [1, 4, 4, 2] },
          inputTypes: { x: ELEM.UINT8 },
          initializers: { s: scalar(0.5), z: zeroUint8(128) },
          nodes: [
            ...(through ? [{ op: "Transpose", inputs: ["x"], outputs: ["t"], attributes: { perm: [0, 3, 1, 2] } }] : []),
            { op: "DequantizeLinear", inputs: [through ? "t" : "x", "s", "z"], outputs: ["y"] },
          ],
          outputs: ["y"],
        }),
      );
      expect(tensorOf(graph, "x")).toMatchObject({
        dtype: "uint8",
        quant: { scales: Float32Array.of(0.5), zeroPoints: Int32Array.of(128) },
      });
      expect(graph.nodes.some((n) => n.op === "Dequantize")).toBe(true);
    }
  });

  it("read on another grid than they were written are spelled out, not reinterpreted", async () => {
    const random = mulberry32(3);
    const model: TestModel = {
      inputs: { x: [8] },
      initializers: { s: scalar(0.1), z: zeroInt8(3), s2: scalar(0.25), z2: zeroInt8(-4) },
      nodes: [
        { op: "QuantizeLinear", inputs: ["x", "s", "z"], outputs: ["q"] },
        { op: "DequantizeLinear", inputs: ["q", "s2", "z2"], outputs: ["y"] },
      ],
      outputs: ["y"],
    };
    expect(await stepsApart(model, { x: floats([8], () => random() * 10 - 5) }, 0.25)).toBeLessThan(1e-5);
  });
});

describe("QLinear ops", () => {
  const random = mulberry32(21);

  it.each(["int8", "uint8"] as const)("QLinearConv on %s, per-axis weights, groups, bias", async (kind) => {
    const make = kind === "int8" ? int8s : uint8s;
    const zero = kind === "int8" ? zeroInt8 : zeroUint8;
    const model: TestModel = {
      inputs: { x: [1, 4, 6, 6] },
      inputTypes: { x: kind === "int8" ? ELEM.INT8 : ELEM.UINT8 },
      outputTypes: { y: kind === "int8" ? ELEM.INT8 : ELEM.UINT8 },
      initializers: {
        xs: scalar(0.03),
        xz: zero(kind === "int8" ? -7 : 120),
        w: int8s([6, 2, 3, 3], random),
        ws: { shape: [6], data: Float32Array.from({ length: 6 }, () => 0.002 + random() * 0.004) },
        wz: { shape: [6], data: new Int8Array(6) },
        ys: scalar(0.06),
        yz: zero(kind === "int8" ? 4 : 130),
        b: { dtype: "int32", shape: [6], data: Int32Array.from({ length: 6 }, () => Math.floor(random() * 2000) - 1000) },
      },
      nodes: [
        {
          op: "QLinearConv",
          name: "qconv",
          inputs: ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"],
          outputs: ["y"],
          attributes: { pads: [1, 0, 1, 0], group: 2, strides: [1, 2] },
        },
      ],
      outputs: ["y"],
    };
    expect(await stepsApart(model, { x: make([1, 4, 6, 6], random) }, 1)).toBeLessThanOrEqual(1);
    const graph = standardPasses(importTest(onnxFile(model)), evaluateNode);
    expect(tensorOf(graph, graph.nodes.find((n) => n.op === "Conv2D")!.inputs[0]!).dtype).toBe("int8");
  });

  it("QLinearMatMul with constant and with computed second operand", async () => {
    for (const constant of [true, false]) {
      const b = int8s([5, 3], random);
      const model: TestModel = {
        inputs: { a: [2, 5], ...(!constant && { b: [5, 3] }) },
        inputTypes: { a: ELEM.INT8, b: ELEM.INT8 },
        outputTypes: { y: ELEM.INT8 },
        initializers: {
          as: scalar(0.02),
          az: zeroInt8(3),
          ...(constant && { b }),
          bs: scalar(0.01),
          bz: zeroInt8(0),
          ys: scalar(0.04),
          yz: zeroInt8(-3),
        },
        nodes: [{ op: "QLinearMatMul", inputs: ["a", "as", "az", "b", "bs", "bz", "ys", "yz"], outputs: ["y"] }],
        outputs: ["y"],
      };
      expect(await stepsApart(model, { a: int8s([2, 5], random), ...(!constant && { b }) }, 1)).toBeLessThanOrEqual(1);
    }
  });

  it("com.microsoft QLinearAdd and QGemm", async () => {
    const grids = { as: scalar(0.02), az: zeroUint8(100), bs: scalar(0.05), bz: zeroUint8(90), ys: scalar(0.06), yz: zeroUint8(110) };
    const add: TestModel = {
      inputs: { a: [2, 9], b: [9] },
      inputTypes: { a: ELEM.UINT8, b: ELEM.UINT8 },
      outputTypes: { y: ELEM.UINT8 },
      initializers: grids,
      nodes: [{ op: "QLinearAdd", domain: "com.microsoft", inputs: ["a", "as", "az", "b", "bs", "bz", "ys", "yz"], outputs: ["y"] }],
      outputs: ["y"],
    };
    expect(await stepsApart(add, { a: uint8s([2, 9], random), b: uint8s([9], random) }, 1)).toBeLessThanOrEqual(1);
    const gemm: TestModel = {
      inputs: { a: [2, 9] },
      inputTypes: { a: ELEM.UINT8 },
      outputTypes: { y: ELEM.UINT8 },
      initializers: {
        ...grids,
        b: int8s([4, 9], random),
        bz: zeroInt8(0),
        c: { dtype: "int32", shape: [4], data: Int32Array.from([100, -200, 300, 0]) },
      },
      nodes: [
        {
          op: "QGemm",
          domain: "com.microsoft",
          inputs: ["a", "as", "az", "b", "bs", "bz", "c", "ys", "yz"],
          outputs: ["y"],
          attributes: { transB: 1 },
        },
      ],
      outputs: ["y"],
    };
    expect(await stepsApart(gemm, { a: uint8s([2, 9], random) }, 1)).toBeLessThanOrEqual(1);
  });
});
