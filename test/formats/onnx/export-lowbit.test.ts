/** Weights of few bits in ONNX: what onnxruntime makes of them, what comes back, and what the file weighs. */
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../../src/compress/apply.ts";
import { int4Code } from "../../../src/compress/lowbit/int4.ts";
import { parseRecipe } from "../../../src/compress/recipe.ts";
import { mulberry32 } from "../../../src/data/random.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { observeGraph } from "../../../src/engines/cpu/observe.ts";
import { FormatError } from "../../../src/errors.ts";
import { importModel } from "../../../src/formats/detect.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { decodeModel, encodeModel } from "../../../src/formats/onnx/proto.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { decode } from "../../../src/graph/code.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { contextFor, plainNet, samplesFor } from "../../compress/nets.ts";

/** Two int4 layers around a remainder, with and without bias, the second on a tensor of rank 3. */
function int4Net(k: number, n: number, block: number): Graph {
  const random = mulberry32(k * 1000 + n * 10 + block);
  const builder = new GraphBuilder("int4");
  const dense = (name: string, x: string, rows: number, columns: number, hasBias: boolean): string => {
    const shape = [rows, columns];
    const code = int4Code(
      Float32Array.from({ length: rows * columns }, () => random() - 0.5),
      shape,
      block,
    );
    const w = builder.constant(`${name}.w`, "float32", shape, decode(code, shape), { code });
    const bias = Float32Array.from({ length: rows }, random);
    const inputs = hasBias ? [x, w, builder.constant(`${name}.b`, "float32", [rows], bias)] : [x, w];
    return builder.add("Dense", name, inputs, { activation: { kind: "clamp", min: 0, max: Infinity } });
  };
  const x = builder.input("x", "float32", [3, k]);
  const first = dense("a", x, n, k, true);
  const cube = builder.add("Reshape", "cube", [first], {}, { shape: [1, 3, n] });
  return builder.finish([dense("b", cube, 5, n, false)]);
}

async function runOrt(graph: Graph, inputs: readonly Float32Array[]): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(exportOnnx(graph), { logSeverityLevel: 3, intraOpNumThreads: 1 });
  const feeds = Object.fromEntries(
    graph.inputs.map((name, i) => [name, new ort.Tensor("float32", inputs[i]!, graph.tensors.get(name)!.shape)]),
  );
  return (await session.run(feeds))[graph.outputs[0]!]!.data as Float32Array;
}

const ops = (graph: Graph): readonly string[] => decodeModel(exportOnnx(graph), "test").graph!.node.map(({ opType }) => opType);
const reread = (graph: Graph): Graph => importModel(exportOnnx(graph), { name: "again.onnx", evaluate: evaluateNode });

describe("int4 layers as MatMulNBits", () => {
  const cases = [1, 15, 16, 17, 31, 33, 101].flatMap((k) => [16, 32].map((block) => [k, block] as const));
  it.each([...cases, [300, 128] as const])("%i inputs in blocks of %i: onnxruntime computes what we do", async (k, block) => {
    const graph = int4Net(k, 7, block);
    expect(ops(graph).filter((op) => op === "MatMulNBits")).toHaveLength(2);
    const random = mulberry32(k);
    const x = Float32Array.from({ length: 3 * k }, () => random() * 2 - 1);
    const ours = observeGraph(graph).run([x], () => undefined)[0] as Float32Array;
    const theirs = await runOrt(graph, [x]);
    expect(theirs).toHaveLength(ours.length);
    ours.forEach((value, i) => expect(Math.abs(value - theirs[i]!)).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(value))));
  });

  it("come back with the same codes, scales and outputs", () => {
    const graph = int4Net(33, 7, 16);
    const back = reread(graph);
    const weights = (g: Graph): unknown => g.nodes.filter(({ op }) => op === "Dense").map(({ inputs }) => g.tensors.get(inputs[1]!)!.code);
    expect(weights(back)).toEqual(weights(graph));
    const x = Float32Array.from({ length: 99 }, (_, i) => Math.sin(i));
    expect(observeGraph(back).run([x], () => undefined)).toEqual(observeGraph(graph).run([x], () => undefined));
  });

  it("stay float where the op has no such blocks", () => {
    expect(ops(int4Net(60, 7, 24))).not.toContain("MatMulNBits");
  });

  it("are refused where a file says something else", () => {
    const file = (change: (node: { attribute: { name: string; i?: unknown }[]; input: string[] }) => void): Uint8Array => {
      const model = decodeModel(exportOnnx(int4Net(33, 7, 16)), "test");
      change(model.graph!.node.find(({ opType }) => opType === "MatMulNBits") as never);
      return encodeModel(model);
    };
    const set = (name: string, value: number): Uint8Array => file((node) => (node.attribute.find((a) => a.name === name)!.i = value));
    const open = (bytes: Uint8Array) => (): Graph => importModel(bytes, { name: "bad.onnx", evaluate: evaluateNode });
    expect(open(set("bits", 8))).toThrow(/bits = 8, expected 4/);
    expect(open(set("block_size", 0))).toThrow(/block_size 0, expected/);
    expect(open(set("N", 9))).toThrow(/weights uint8 \[7, 3, 8\], expected uint8 \[9, 3, 8\]/);
    expect(open(set("N", 2 ** 40))).toThrow(FormatError);
    expect(open(file((node) => node.input.push(node.input[1]!)))).toThrow(/zero points/);
  });
});

describe("float16 weights", () => {
  it("take half of the file, and the same outputs in onnxruntime and when read again", async () => {
    const original = plainNet();
    const { graph } = await applyRecipe(original, parseRecipe("fp16"), contextFor(original));
    expect(exportOnnx(graph).length).toBeLessThan(0.55 * exportOnnx(original).length);
    const back = reread(graph);
    for (const sample of samplesFor(graph, 10, 5)) {
      const ours = observeGraph(graph).run(sample, () => undefined)[0] as Float32Array;
      expect(observeGraph(back).run(sample, () => undefined)[0]).toEqual(ours);
      const theirs = await runOrt(graph, sample as Float32Array[]);
      ours.forEach((value, i) => expect(Math.abs(value - theirs[i]!)).toBeLessThanOrEqual(1e-5));
    }
  });
});
