/** `requantize`: which layers it marks, what it leaves, and that the mark reaches engines and archives. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyRecipe } from "../../../src/compress/apply.ts";
import type { Compressed } from "../../../src/compress/apply.ts";
import { parseRecipe } from "../../../src/compress/recipe.ts";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import type { Engine, EngineContext, EngineOptions } from "../../../src/engines/engine.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { FormatError, UsageError } from "../../../src/errors.ts";
import { exportSlim } from "../../../src/formats/slim/export.ts";
import { readSlim } from "../../../src/formats/slim/import.ts";
import type { TypedArray } from "../../../src/graph/dtype.ts";
import { roundingOf } from "../../../src/graph/fixed-point.ts";
import type { Graph, Node } from "../../../src/graph/ir.ts";
import { deserializeGraph, serializeGraph } from "../../../src/graph/serialize.ts";
import { validateGraph } from "../../../src/graph/validate.ts";
import { context as wasmContext } from "../../engines/wasm/context.ts";
import { keepDevice, testContext } from "../../engines/webgpu/context.ts";
import { contextFor, mobileNet, plainNet, samplesFor } from "../nets.ts";

const apply = (graph: Graph, recipe: string): Promise<Compressed> => applyRecipe(graph, parseRecipe(recipe), contextFor(graph));

let shared: SharedDevice;
let gpuContext: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  gpuContext = await testContext();
});
afterAll(() => {
  shared.release();
});

describe("words", () => {
  it.each([
    ["int8 + requantize:double", "int8+requantize:double"],
    ["requantize:single,exclude=b,only=a", "requantize:single,only=a,exclude=b"],
    ["requantize:float", "requantize:float"],
  ])("%s", (text, canonical) => {
    expect(parseRecipe(text).text).toBe(canonical);
    expect(parseRecipe(canonical).text).toBe(canonical);
  });

  it.each([
    ["requantize", /requantize: got no value, expected float, double, single, e.g. requantize:double/],
    ["requantize:twice", /requantize: got "twice", expected float, double, single/],
    ["requantize:double,scope=global", /unknown option "scope"/],
    ["requantize:double+int8", /int8 cannot follow requantize, which is about integers. Put requantize last/],
    ["int8+requantize:double+requantize:single", /requantize cannot follow requantize/],
    ["int8+prune:0.5", /prune edits float weights and cannot follow int8/],
  ])("%s is refused", (text, message) => {
    expect(() => parseRecipe(text)).toThrow(UsageError);
    expect(() => parseRecipe(text)).toThrow(message);
  });

  it.each(["requantize:double", "int8:weights+requantize:double", "int16x8+requantize:single"])("%s finds no layer", async (recipe) => {
    await expect(apply(plainNet(), recipe)).rejects.toThrow(/no layer of "\w+" has 8-bit inputs, weights and outputs. Put int8 before it/);
  });
});

const roundings = ({ nodes }: Graph): Record<string, string | undefined> =>
  Object.fromEntries(nodes.map((node) => [node.name, roundingOf(node)]));

describe("the step", () => {
  it("marks 8-bit layers with weights, and names what rounds as ever", async () => {
    const { graph, steps } = await apply(mobileNet(), "int8+requantize:double");
    const marked = graph.nodes.filter((node) => roundingOf(node) === "double").map(({ name }) => name);
    expect(steps[1]!.layers).toEqual(marked);
    expect(marked).toEqual(graph.nodes.filter(({ op }) => ["Conv2D", "DepthwiseConv2D", "Dense"].includes(op)).map(({ name }) => name));
    const left = steps[1]!.skipped.map(({ op }) => op);
    expect(left).toContain("Binary");
    expect(left).not.toContain("Reshape");
    expect(steps[1]!.skipped[0]!.why).toMatch(/one way to round only/);
  });

  it("takes some layers, changes them again, and takes the mark off", async () => {
    const { graph } = await apply(plainNet(), "int8+requantize:single,only=fc*");
    expect(roundings(graph)).toMatchObject({ conv1: undefined, fc1: "single", fc2: "single" });
    const again = await apply(graph, "requantize:double,exclude=fc1");
    expect(roundings(again.graph)).toMatchObject({ conv1: "double", fc1: "single", fc2: "double" });
    const float = await apply(again.graph, "requantize:float");
    expect(float.graph).toEqual((await apply(plainNet(), "int8")).graph);
  });

  it("reaches archives and other processes", async () => {
    const { graph } = await apply(mobileNet(), "int8+requantize:single");
    expect(deserializeGraph(serializeGraph(graph), "test")).toEqual(graph);
    expect(readSlim(exportSlim(graph), "test").graph.nodes).toEqual(graph.nodes);
  });

  it("is refused on layers that are not 8-bit", () => {
    const graph = plainNet();
    const nodes = graph.nodes.map((node) => (node.name === "fc1" ? ({ ...node, attrs: { rounding: "double" } } as Node) : node));
    expect(() => {
      validateGraph({ ...graph, nodes });
    }).toThrow(FormatError);
    expect(() => {
      validateGraph({ ...graph, nodes });
    }).toThrow(/node "fc1" \(Dense\): requantizes with double rounding, but its input, weights and output are not all 8-bit/);
  });
});

async function outputs(engine: Engine, context: EngineContext, graph: Graph, options: EngineOptions = {}): Promise<TypedArray[]> {
  const session = await engine.compile(graph, context, options);
  const all: TypedArray[] = [];
  for (const inputs of samplesFor(graph, 6, 5)) all.push(...(await session.run(inputs)));
  session.dispose();
  return all;
}

describe.each([
  ["plainNet", plainNet],
  ["mobileNet", mobileNet],
] as const)("%s", (_, net) => {
  it.each(["double", "single"] as const)("rounds %s alike on every engine, with and without vectors, and in threads", async (mode) => {
    const { graph } = await apply(net(), `int8+requantize:${mode}`);
    const expected = await outputs(cpuEngine, wasmContext, graph);
    expect(await outputs(wasmEngine, wasmContext, graph)).toEqual(expected);
    expect(await outputs(wasmEngine, wasmContext, graph, { simd: "off" })).toEqual(expected);
    expect(await outputs(wasmEngine, wasmContext, graph, { threads: "2" })).toEqual(expected);
    expect(await outputs(webgpuEngine, gpuContext, graph)).toEqual(expected);
  });
});

describe("placement", () => {
  it("says why WASM runs scalar kernels, and names the kernels of fixed point", async () => {
    const { graph } = await apply(mobileNet(), "int8+requantize:double");
    const marked = new Set(graph.nodes.filter((node) => roundingOf(node) !== undefined).map(({ name }) => name));
    const wasm = await wasmEngine.compile(graph, wasmContext, {});
    const layers = wasm.placement().filter(({ node }) => marked.has(node));
    expect(layers.length).toBe(marked.size);
    for (const { engine, kernel, why } of layers) {
      expect(engine).toBe("wasm");
      expect(kernel).toMatch(/^i8_(conv_fixed_2x8|depthwise_fixed_4x1)__wasm_scalar$/);
      expect(why).toBe("rounding=double: scalar kernels");
    }
    wasm.dispose();
    const gpu = await webgpuEngine.compile(graph, gpuContext, {});
    for (const { node, kernel } of gpu.placement()) if (marked.has(node)) expect(kernel).toMatch(/_fixed_\w+__wgsl$/);
    gpu.dispose();
  });
});
