/** Residual connections on WASM: every float kernel adds them, or has them added, to the bit. */
import { describe, expect, it } from "vitest";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { WasmSession } from "../../../src/engines/wasm/session.ts";
import type { Activation, Graph } from "../../../src/graph/ir.ts";
import { codedConv, codedDense } from "../coded.ts";
import { RELU, withResidual } from "../residual.ts";
import { denseGraph, randomInputs } from "../webgpu/graphs.ts";
import { context } from "./context.ts";

type Options = Readonly<Record<string, string>>;

async function run(graph: Graph, options: Options, kernel: string, inputs: readonly Float32Array[]): Promise<Float32Array> {
  const layer = graph.nodes[0]!.name;
  const session = await wasmEngine.compile(graph, context, options, [{ node: layer, kernel, why: "told by a test" }]);
  expect(session.placement().map((place) => place.kernel)).toEqual(graph.nodes.map(() => kernel));
  const [output] = await session.run(inputs);
  session.dispose();
  return output as Float32Array;
}

/** With every kernel that can execute the layer, against its own sums and JavaScript's. @returns the kernels */
async function checkKernels(layer: Graph, options: Options, activation?: Activation): Promise<readonly string[]> {
  const planned = await wasmEngine.compile(layer, context, options);
  if (!(planned instanceof WasmSession)) throw new TypeError("not a session of this engine");
  const only = planned.placement()[0]!.kernel;
  const kernels = planned.alternatives.get(layer.nodes[0]!.name) ?? [only];
  planned.dispose();
  const graph = withResidual(layer, activation, options["sparse"] === "on");
  const inputs = randomInputs(graph, 5) as Float32Array[] as [Float32Array, Float32Array];
  for (const kernel of kernels) {
    const sums = await run(layer, options, kernel, [inputs[0]]);
    const expected = sums.map((sum, i) => (activation === undefined ? sum + inputs[1][i]! : Math.max(0, sum + inputs[1][i]!)));
    expect(await run(graph, options, kernel, inputs), `${kernel}, ${JSON.stringify(options)}`).toEqual(expected);
  }
  return kernels;
}

const EVERY: readonly Options[] = [{ sparse: "on" }, { sparse: "off" }, { coded: "on" }, { relaxed: "off", sparse: "off", coded: "off" }];

describe("every kernel adds", () => {
  it.each<[string, Graph, number]>([
    ["whole tiles", denseGraph("float32", 32, 32, 32, 0.5), 4],
    ["remainders", denseGraph("float32", 29, 13, 7, 0.5), 4],
    ["one row", denseGraph("float32", 1, 45, 68, 0.5), 4],
    ["codes of a dense layer", codedDense({ spec: { kind: "codebook", values: 16 }, seed: 5 }, 7, 20, 64), 4],
    ["codes of one row", codedDense({ spec: { kind: "int4", block: 32 }, seed: 6 }, 1, 20, 64), 4],
    ["an image", codedConv({ spec: { kind: "float16" }, seed: 3 }, [1, 8, 8, 8], 16, [3, 3], { pads: [1, 1, 1, 1] }), 4],
    [
      "an odd image in groups",
      codedConv({ spec: { kind: "int8" }, seed: 4 }, [2, 5, 7, 6], 10, [3, 3], { groups: 2, pads: [0, 1, 2, 0] }),
      2,
    ],
  ])("%s", async (_, layer, least) => {
    const tried = new Set<string>();
    for (const options of EVERY)
      for (const activation of [undefined, RELU]) for (const kernel of await checkKernels(layer, options, activation)) tried.add(kernel);
    expect(tried.size).toBeGreaterThanOrEqual(least);
  });

  it("without vector instructions the addition stays a node of its own", async () => {
    const graph = withResidual(denseGraph("float32", 5, 9, 8), RELU);
    const session = await wasmEngine.compile(graph, context, { simd: "off" });
    expect(new Set(session.placement().map(({ kernel }) => kernel)).size).toBe(2);
  });

  it("in pieces: the same bits on two threads", async () => {
    const graph = withResidual(denseGraph("float32", 300, 200, 128), RELU);
    const inputs = randomInputs(graph, 8);
    const outputs = await Promise.all(
      ["1", "2"].map(async (threads) => {
        const session = await wasmEngine.compile(graph, context, { threads });
        const [output] = await session.run(inputs);
        session.dispose();
        return output;
      }),
    );
    expect(outputs[1]).toEqual(outputs[0]);
  });

  it("saves the layer's own output, and says who adds", async () => {
    const [rows, columns, depth] = [64, 64, 16] as const;
    const graph = withResidual(denseGraph("float32", rows, columns, depth));
    const [fused, apart] = await Promise.all([{}, { simd: "off" }].map((options) => wasmEngine.compile(graph, context, options)));
    // Apart, both operands and the sum live at once; here one operand, the sum, and the layer's smaller input.
    const saved = rows * (columns - depth) * 4;
    expect(fused!.memory().activationsPeak).toBeLessThan(apart!.memory().activationsPeak - saved / 2);
    expect(fused!.placement()[1]).toMatchObject({ node: "add", op: "Binary", why: 'added by "dense"' });
    const profile = await fused!.profile(randomInputs(graph, 3));
    expect(profile.map((row) => [row.node, row.fused])).toEqual([["dense", ["add"]]]);
  });
});
