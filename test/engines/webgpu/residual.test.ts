/** Residual connections on the GPU: every float kernel adds them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { compareOutputs, nodeTolerance } from "../../../src/engines/tolerance.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import { parseOptions } from "../../../src/engines/webgpu/options.ts";
import { planPool } from "../../../src/engines/webgpu/pool.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { codedConv, codedDense } from "../coded.ts";
import { RELU, withResidual } from "../residual.ts";
import { keepDevice, testContext } from "./context.ts";
import { denseGraph, randomInputs } from "./graphs.ts";

describe("on the device", () => {
  let shared: SharedDevice;
  let context: EngineContext;
  beforeAll(async () => {
    shared = await keepDevice();
    context = await testContext();
  });
  afterAll(() => {
    shared.release();
  });

  /** Runs the sum with every kernel that can execute its layer under the options. @returns how many there were */
  async function checkKernels(graph: Graph, options: Readonly<Record<string, string>>, where: string): Promise<readonly string[]> {
    const layer = graph.nodes[0]!;
    const { kernels } = lowerGraph(graph, shared.facts, parseOptions(options)).choices.get(layer.name)!;
    const inputs = randomInputs(graph, 5);
    // The layer's own tolerance, and one rounding of a sum that is below 2^8.
    const alone = { ...graph, inputs: [graph.inputs[0]!], outputs: layer.outputs, nodes: [layer] };
    const [cpu, cpuAlone] = [await cpuEngine.compile(graph, context, {}), await cpuEngine.compile(alone, context, {})];
    const [sums] = await cpuAlone.run([inputs[0]!]);
    const expected = await cpu.run(inputs);
    const data = layer.inputs.map((name) => graph.tensors.get(name)?.data ?? inputs[0]);
    const tolerance = nodeTolerance(alone, layer, data, sums!) + 2 ** -16;
    for (const kernel of kernels) {
      const session = await webgpuEngine.compile(graph, context, options, [{ node: layer.name, kernel, why: "forced" }]);
      const { pass, message } = compareOutputs(expected, await session.run(inputs), tolerance);
      session.dispose();
      expect(pass, `${kernel}, ${where}: ${message}`).toBe(true);
    }
    return kernels;
  }

  it.each<[string, Graph]>([
    ["whole tiles", denseGraph("float32", 32, 32, 32, 0.5)],
    ["remainders", denseGraph("float32", 5, 9, 7, 0.5)],
    ["few rows", denseGraph("float32", 1, 17, 68, 0.5)],
    ["four rows", denseGraph("float32", 4, 16, 128, 0.5)],
  ])("every kernel of a dense layer adds: %s", { timeout: 240_000 }, async (where, graph) => {
    const tried = new Set<string>();
    for (const sparse of ["off", "on"])
      for (const kernel of await checkKernels(withResidual(graph, RELU, sparse === "on"), { sparse }, where)) tried.add(kernel);
    expect(tried.size).toBeGreaterThan(4);
  });

  it.each<[string, Graph]>([
    ["an image", codedConv({ spec: { kind: "float16" }, seed: 3 }, [1, 8, 8, 8], 16, [3, 3], { pads: [1, 1, 1, 1] })],
    ["an odd image in groups", codedConv({ spec: { kind: "int8" }, seed: 4 }, [2, 5, 7, 6], 10, [3, 3], { groups: 2, pads: [0, 1, 2, 0] })],
    ["codes of a dense layer", codedDense({ spec: { kind: "codebook", values: 16 }, seed: 5 }, 7, 20, 64)],
  ])("every kernel of %s adds", async (where, graph) => {
    for (const options of [{ coded: "on" }, { sparse: "on" }, { sparse: "off", coded: "off" }])
      expect((await checkKernels(withResidual(graph), options, where)).length).toBeGreaterThan(1);
  });

  it("is one dispatch, whose node and addition are both placed", () => {
    const graph = withResidual(denseGraph("float32", 5, 9, 8), RELU);
    const lowered = lowerGraph(graph, shared.facts, parseOptions({}));
    expect(lowered.steps.map(({ node, output }) => [node, output])).toEqual([["dense", "total"]]);
    expect(lowered.bytes.has("y")).toBe(false);
    expect(lowered.kernels.get("add")).toEqual(lowered.kernels.get("dense"));
    expect(lowered.choices.get("add")?.why).toBe('added by "dense" before it stores');
    const { bufferOf } = planPool(lowered, graph.inputs, graph.outputs);
    expect(bufferOf.get("total")).not.toBe(bufferOf.get("other"));
  });
});
