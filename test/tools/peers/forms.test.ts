/** What the peers get computes what our graph computes: written, read back by our importers, run on the CPU engine. */
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../../src/compress/apply.ts";
import { parseRecipe } from "../../../src/compress/recipe.ts";
import { fillNormal, mulberry32 } from "../../../src/data/random.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { observeGraph } from "../../../src/engines/cpu/observe.ts";
import { graphTolerance } from "../../../src/engines/tolerance.ts";
import { UnsupportedError } from "../../../src/errors.ts";
import { decodeModel } from "../../../src/formats/onnx/proto.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { importModel } from "../../../src/formats/detect.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { elementCount, type TypedArray } from "../../../src/graph/dtype.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { permuteData } from "../../../src/graph/permute.ts";
import { dsCnn, gemm, mobilenetV1, resnet8 } from "../../../tools/peers/architectures.ts";
import { withFloatBorders } from "../../../tools/peers/borders.ts";
import { judge } from "../../../tools/peers/contest.ts";
import { channelsFirstInputs, channelsLastInputs } from "../../../tools/peers/layouts.ts";
import { exportTflite } from "../../../tools/peers/tflite/export.ts";

const RELU = { kind: "clamp", min: 0, max: Infinity } as const;

function noise(graph: Graph, seed: number): readonly TypedArray[] {
  const random = mulberry32(seed);
  return graph.inputs.map((name) => {
    const data = new Float32Array(elementCount(graph.tensors.get(name)!.shape));
    fillNormal(random, data);
    return data;
  });
}

async function run(graph: Graph, inputs: readonly TypedArray[]): Promise<readonly TypedArray[]> {
  const readAsset = (): Promise<Uint8Array> => Promise.reject(new Error("no assets"));
  return (await cpuEngine.compile(graph, { readAsset, now: () => 0 }, {})).run(inputs);
}

async function int8(graph: Graph): Promise<Graph> {
  const calibration = (): Iterable<readonly TypedArray[]> => [1, 2, 3].map((seed) => noise(graph, seed));
  return (await applyRecipe(graph, parseRecipe("int8"), { observe: observeGraph, calibration })).graph;
}

function reread(bytes: Uint8Array): Graph {
  return importModel(bytes, { name: "written", evaluate: evaluateNode });
}

/** Everything that the writer says in two operators, and what the nets do not have. */
function oddities(): Graph {
  const b = new GraphBuilder("oddities");
  const random = mulberry32(5);
  const weights = (name: string, shape: readonly number[]): string => {
    const data = new Float32Array(elementCount(shape));
    fillNormal(random, data);
    return b.constant(name, "float32", shape, data);
  };
  const x = b.input("x", "float32", [1, 3, 9, 12]);
  const image = b.add("Transpose", "to-last", [x], { perm: [0, 2, 3, 1] });
  const conv = { strides: [2, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1, activation: { kind: "hardswish" } } as const;
  const a = b.add("Conv2D", "conv", [image, weights("w0", [8, 3, 3, 3])], conv);
  const depth = { strides: [1, 2], dilations: [1, 1], pads: [2, 2, 2, 2], groups: 8, activation: RELU } as const;
  const d = b.add("DepthwiseConv2D", "depthwise", [a, weights("w1", [1, 5, 5, 16]), weights("b1", [16])], depth);
  const gate = b.add("Reduce", "mean", [d], { fn: "mean", axes: [1, 2], keepDims: true });
  const squeezed = b.add("Unary", "gate", [gate], { fn: "hardsigmoid", alpha: 0.2, beta: 0.5 });
  const scaled = b.add("Binary", "scale", [d, squeezed], { fn: "mul" });
  const window = { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0, 0, 0, 0], countIncludePad: false } as const;
  const pooled = b.add("MaxPool2D", "max", [scaled], window);
  const both = b.add("Concat", "concat", [pooled, b.add("Unary", "sigmoid", [pooled], { fn: "sigmoid" })], { axis: 3 });
  return b.finish([b.add("Unary", "tanh", [both], { fn: "tanh" })]);
}

describe("TFLite form", () => {
  it.each([
    ["ResNet-8", resnet8],
    ["DS-CNN", dsCnn],
    ["MobileNet V1", mobilenetV1],
    ["a product", () => gemm(5, 9, 17)],
    ["oddities", oddities],
  ] as const)("%s computes the same", async (_, build) => {
    const graph = build();
    const relaid = channelsLastInputs(graph);
    const inputs = noise(graph, 3);
    const expected = await run(graph, inputs);
    const last = inputs.map((data, i) => {
      const perm = relaid.perms[i];
      return perm === undefined ? data : permuteData(data, "float32", graph.tensors.get(graph.inputs[i]!)!.shape, perm);
    });
    const actual = await run(reread(exportTflite(relaid.graph)), last);
    expect(judge(expected, actual, graphTolerance(graph, expected))).toMatchObject({ pass: true });
  });

  it.each([
    ["ResNet-8", resnet8],
    ["DS-CNN", dsCnn],
    ["a product", () => gemm(5, 9, 17)],
  ] as const)("%s in int8 computes the same to the bit", async (_, build) => {
    const graph = await int8(build());
    const inputs = noise(graph, 3);
    expect(await run(reread(exportTflite(graph)), inputs)).toEqual(await run(graph, inputs));
  });

  it("names what it does not write", () => {
    const b = new GraphBuilder("grouped");
    const x = b.input("x", "float32", [1, 4, 4, 4]);
    const w = b.constant("w", "float32", [4, 1, 1, 2], new Float32Array(8));
    const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 2 } as const;
    const graph = b.finish([b.add("Conv2D", "grouped", [x, w], attrs)]);
    expect(() => exportTflite(graph)).toThrow(UnsupportedError);
    expect(() => exportTflite(graph)).toThrow('node "grouped" (Conv2D): 2 groups is not written as TFLite');
  });
});

describe("ONNX form", () => {
  it.each([
    ["float", (graph: Graph) => Promise.resolve(graph)],
    ["int8", int8],
  ] as const)("takes %s images channels first, without a Transpose", async (_, twin) => {
    const graph = await twin(resnet8());
    const relaid = channelsFirstInputs(graph);
    expect(relaid.perms).toEqual([[0, 3, 1, 2]]);
    const bytes = exportOnnx(relaid.graph);
    const ops = decodeModel(bytes, "written").graph?.node.map((node) => node.opType);
    expect(ops).toContain("Conv");
    expect(ops).not.toContain("Transpose");
    const [data] = noise(graph, 3) as [TypedArray];
    const [expected] = (await run(graph, [data])) as [TypedArray];
    const [actual] = (await run(reread(bytes), [permuteData(data, "float32", [1, 32, 32, 3], [0, 3, 1, 2])])) as [TypedArray];
    const tolerance = graphTolerance(graph, [expected])[0]! + 2 ** -8 * 2;
    expect(judge([expected], [actual], [tolerance]).pass).toBe(true);
  });

  it("leaves inputs alone that are no images", () => {
    expect(channelsFirstInputs(gemm(3, 4, 5)).perms).toEqual([undefined]);
    expect(channelsLastInputs(resnet8()).perms).toEqual([undefined]);
  });
});

it("puts float borders around an integer graph", async () => {
  const b = new GraphBuilder("integers");
  const grid = { scales: Float32Array.of(0.5), zeroPoints: Int32Array.of(3) };
  const x = b.input("x", "int8", [4], grid);
  const graph = withFloatBorders(b.finish([b.add("Unary", "relu", [x], { fn: "relu" }, { dtype: "int8", quant: grid })]));
  expect(graph.inputs.map((name) => graph.tensors.get(name)?.dtype)).toEqual(["float32"]);
  expect(await run(graph, [Float32Array.of(-2, 0, 0.4, 7)])).toEqual([Float32Array.of(0, 0, 0.5, 7)]);
});
