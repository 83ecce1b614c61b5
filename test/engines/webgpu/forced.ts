/** Runs a one-node graph with a kernel of one's choice and compares it with the CPU engine. */
import { expect } from "vitest";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import type { EngineContext, EngineOptions } from "../../../src/engines/engine.ts";
import { compareOutputs, nodeTolerance } from "../../../src/engines/tolerance.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import type { TypedArray } from "../../../src/graph/dtype.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { randomInputs } from "./graphs.ts";

export interface ForcedRun {
  readonly out: TypedArray;
  /** Bytes of GPU memory for weights. */
  readonly weights: number;
  readonly kernels: readonly string[];
}

export async function runForced(
  graph: Graph,
  kernel: string,
  context: EngineContext,
  options: EngineOptions,
  inputs: readonly TypedArray[],
): Promise<ForcedRun> {
  const session = await webgpuEngine.compile(graph, context, options, [{ node: graph.nodes[0]!.name, kernel, why: "forced" }]);
  try {
    const [out] = await session.run(inputs);
    return { out: out!, weights: session.memory().weights, kernels: session.placement().map((placed) => placed.kernel) };
  } finally {
    session.dispose();
  }
}

export async function reference(graph: Graph, context: EngineContext, inputs: readonly TypedArray[]): Promise<TypedArray> {
  const session = await cpuEngine.compile(graph, context, {});
  const [out] = await session.run(inputs);
  session.dispose();
  return out!;
}

/** Integers to the bit, floats within the derived tolerance. @returns bytes of weights */
export async function checkForced(
  graph: Graph,
  kernel: string,
  context: EngineContext,
  options: EngineOptions,
  where: string,
  seed = 1,
): Promise<number> {
  const inputs = randomInputs(graph, seed);
  const { out, weights, kernels } = await runForced(graph, kernel, context, options, inputs);
  expect(kernels, where).toContain(kernel);
  const want = await reference(graph, context, inputs);
  const node = graph.nodes[0]!;
  const read = node.inputs.map((name) => graph.tensors.get(name)?.data ?? inputs[graph.inputs.indexOf(name)]);
  const comparison = compareOutputs([want], [out], nodeTolerance(graph, node, read, want));
  expect(comparison.pass, `${kernel}, ${where}: ${comparison.message}`).toBe(true);
  return weights;
}
