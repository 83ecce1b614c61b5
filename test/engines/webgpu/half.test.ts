/**
 * Kernels that read the device's own half precision. SwiftShader has none, so the one file that uses it is replaced by the same reads of the
 * same words, unpacked: that layout, choice and sums are right. That the file itself is valid is checked in validate.test.ts.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { compareOutputs, nodeTolerance } from "../../../src/engines/tolerance.ts";
import type { DeviceFacts, SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import { parseOptions } from "../../../src/engines/webgpu/options.ts";
import { WebGpuSession } from "../../../src/engines/webgpu/session.ts";
import type { ShaderReader } from "../../../src/engines/webgpu/shaders.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { codedConv, codedDense } from "../coded.ts";
import { keepDevice, testContext } from "./context.ts";
import { reference } from "./forced.ts";
import { randomInputs } from "./graphs.ts";

let shared: SharedDevice;
let context: EngineContext;
let withHalf: DeviceFacts;
beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
  withHalf = { ...shared.facts, f16: true };
});
afterAll(() => {
  shared.release();
});

const NATIVE = "code/float16_native.wgsl";
const ON = parseOptions({ coded: "on" });
const SPEC = { kind: "float16" } as const;

const read: ShaderReader = async (path) => {
  const text = new TextDecoder().decode(await context.readAsset(`shaders/${path}`));
  if (path !== NATIVE || shared.facts.f16) return text;
  const unpacked = text
    .replace("enable f16;\n", "")
    .replace("array<vec4<f16>>", "array<vec2<u32>>")
    .replaceAll(/vec4<f32>\((codes\[[^\]]+\])\)/g, "vec4<f32>(unpack2x16float($1.x), unpack2x16float($1.y))");
  expect(unpacked).not.toContain("f16>");
  return unpacked;
};

function nativeKernels(graph: Graph): readonly string[] {
  const { kernels } = lowerGraph(graph, withHalf, ON).choices.get("layer")!;
  return kernels.filter((kernel) => kernel.endsWith("_f16"));
}

async function check(graph: Graph, kernel: string, where: string): Promise<void> {
  const lowered = lowerGraph(graph, withHalf, ON, [{ node: "layer", kernel, why: "forced" }]);
  const session = await WebGpuSession.create(graph, shared.acquire(), lowered, read, context.now);
  const inputs = randomInputs(graph, 7);
  const outputs = await session.run(inputs);
  session.dispose();
  const want = await reference(graph, context, inputs);
  const node = graph.nodes[0]!;
  const data = node.inputs.map((name) => graph.tensors.get(name)?.data ?? inputs[0]);
  const { pass, message } = compareOutputs([want], outputs, nodeTolerance(graph, node, data, want));
  expect(pass, `${kernel}, ${where}: ${message}`).toBe(true);
}

describe("float16 weights in the device's own half precision", () => {
  it.each<[string, Graph, number]>([
    ["many rows", codedDense({ spec: SPEC, seed: 1 }, 33, 37, 20), 2],
    ["few rows", codedDense({ spec: SPEC, seed: 2, activation: { kind: "clamp", min: 0, max: 6 } }, 3, 9, 68), 2],
    ["an image", codedConv({ spec: SPEC, seed: 3 }, [1, 6, 7, 8], 13, [3, 3], { pads: [1, 1, 1, 1] }), 2],
    ["groups", codedConv({ spec: SPEC, seed: 4 }, [1, 5, 5, 8], 10, [3, 3], { groups: 2 }), 2],
  ])("equals the CPU engine: %s", async (where, graph, least) => {
    const kernels = nativeKernels(graph);
    expect(kernels.length).toBeGreaterThanOrEqual(least);
    for (const kernel of kernels) await check(graph, kernel, where);
  });

  it("is chosen where the device has it, and never where it has not", () => {
    const graph = codedDense({ spec: SPEC, seed: 5 }, 64, 64, 64);
    const chosen = (facts: DeviceFacts): string | undefined => lowerGraph(graph, facts, ON).steps[0]?.kernel;
    expect(chosen({ ...withHalf, software: false })).toBe("f32_gemm_float16_32x32__wgsl_f16");
    expect(chosen({ ...withHalf, software: false, f16: false })).toBe("f32_gemm_float16_32x32__wgsl");
  });

  it("reads one value at a time by unpacking, whatever the device has", () => {
    expect(nativeKernels(codedDense({ spec: SPEC, seed: 6 }, 8, 8, 7))).toEqual([]);
  });
});
