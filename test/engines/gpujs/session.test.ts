/** What the engines on gpu.js refuse and say; their lowering, and their rows of the catalogue. Results are tested by the op vectors. */
import { describe, expect, it } from "vitest";
import { gpuJsCpuEngine, webglEngine } from "../../../src/engines/gpujs/index.ts";
import { loadGpuJs } from "../../../src/engines/gpujs/library.ts";
import { lowerGraph } from "../../../src/engines/gpujs/lower/index.ts";
import { packByInput } from "../../../src/engines/gpujs/lower/weighted.ts";
import { axisRuns } from "../../../src/engines/gpujs/lower/window.ts";
import { UnavailableError, UnsupportedError, UsageError } from "../../../src/errors.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph, Sparsity } from "../../../src/graph/ir.ts";
import { GPUJS_KERNELS } from "../../../src/kernels/gpujs.ts";
import { isKernelName } from "../../../src/kernels/names.ts";
import { context } from "../cpu/graphs.ts";
import { allCases, prepareCase } from "../vectors.ts";
import { GPUJS_DECLINES, isFloatCase } from "./declines.ts";

/** x [2, 3] → Dense to 5, relu → reshaped to [10]. */
function denseGraph(sparsity?: Sparsity): Graph {
  const builder = new GraphBuilder("dense");
  const x = builder.input("x", "float32", [2, 3]);
  const data = Float32Array.from({ length: 15 }, (_, i) => (i % 2) * (i - 7));
  const w = builder.constant("w", "float32", [5, 3], data, sparsity === undefined ? {} : { sparsity });
  const y = builder.add("Dense", "fc", [x, w], { activation: { kind: "clamp", min: 0, max: Infinity } });
  const z = builder.add("Reshape", "flat", [y], {}, { shape: [10] });
  return builder.finish([z]);
}

const INPUT = Float32Array.of(1, 2, 3, -1, 0, 2);

describe("gpujs-cpu", () => {
  it("runs, tells what it holds, and gives fresh outputs", async () => {
    const session = await gpuJsCpuEngine.compile(denseGraph(), context, {});
    const [first] = await session.run([INPUT]);
    expect([...first!]).toEqual([0, 0, 0, 14, 12, 0, 0, 0, 6, 0]);
    await session.run([new Float32Array(6)]);
    expect(first![3]).toBe(14);
    // w 15 and bias 5; x 6 and y 10.
    expect(session.memory()).toEqual({ weights: 80, activationsPeak: 64 });
    const profile = await session.profile([INPUT]);
    expect(profile.map(({ kernel }) => kernel)).toEqual(["f32_dense_direct_1x1__gpujs"]);
    session.dispose();
    await expect(session.run([INPUT])).rejects.toThrow(/was disposed/);
  });

  it("says that zeros are multiplied", async () => {
    const session = await gpuJsCpuEngine.compile(denseGraph({ pattern: "unstructured" }), context, {});
    expect(session.placement()).toEqual([
      {
        node: "fc",
        op: "Dense",
        engine: "gpujs-cpu",
        kernel: "f32_dense_direct_1x1__gpujs",
        why: expect.stringMatching(/no sparse kernel/) as string,
      },
      { node: "flat", op: "Reshape", engine: "gpujs-cpu", kernel: "any_alias_view__gpujs" },
    ]);
    session.dispose();
  });

  it.each([
    ["too few inputs", []],
    ["too short an input", [new Float32Array(5)]],
    ["bytes", [new Int8Array(6)]],
  ])("refuses %s", async (_, inputs) => {
    const session = await gpuJsCpuEngine.compile(denseGraph(), context, {});
    await expect(session.run(inputs)).rejects.toThrow(UsageError);
    session.dispose();
  });

  it("refuses integers, by node, op and type", async () => {
    const opCase = allCases().find(({ op, inputs }) => op === "Conv2D" && inputs[0]!.dtype === "int8")!;
    const failure = gpuJsCpuEngine.compile(prepareCase(opCase).graph, context, {});
    await expect(failure).rejects.toThrow(UnsupportedError);
    await expect(failure).rejects.toThrow(/gpujs-cpu: int8 tensor "in0", expected float32/);
  });

  it("refuses options", async () => {
    await expect(gpuJsCpuEngine.compile(denseGraph(), context, { texels: "off" })).rejects.toThrow(UsageError);
  });
});

describe("webgl in Node", () => {
  it("says where it can run", async () => {
    const probe = await webglEngine.probe(context, {});
    expect(probe).toMatchObject({ available: false, reason: { code: "no-webgl", remedy: "Use webgl@chrome" } });
    await expect(webglEngine.compile(denseGraph(), context, {})).rejects.toThrow(UnavailableError);
  });

  it("refuses unknown options", () => {
    expect(() => webglEngine.probe(context, { tile: "4" })).toThrow(UsageError);
    expect(() => webglEngine.probe(context, { texels: "on" })).toThrow(/expected auto or off/);
  });
});

describe("loading gpu.js", () => {
  it("says what to install where it is missing, or another package", async () => {
    const missing = loadGpuJs("webgl", () => Promise.reject(new Error("Cannot find package 'gpu.js'")));
    await expect(missing).rejects.toMatchObject({ code: "no-gpujs", remedy: "Run npm install gpu.js" });
    await expect(loadGpuJs("webgl", () => Promise.resolve({ GPU: 1 }))).rejects.toThrow(/has no GPU class/);
  });
});

describe("lowering", () => {
  it("packs weights by input channel, four outputs a texel", () => {
    const w = Float32Array.from({ length: 10 }, (_, i) => i);
    // Five outputs of two inputs.
    expect([...packByInput(w, 5, 2)]).toEqual([0, 2, 4, 6, 1, 3, 5, 7, 8, 0, 0, 0, 9, 0, 0, 0]);
  });

  it("reduces runs of axes, the last first", () => {
    expect(axisRuns([2, 0, 1, 4])).toEqual([
      { first: 4, count: 1 },
      { first: 0, count: 3 },
    ]);
    expect(axisRuns([])).toEqual([]);
  });

  it("uses rows of the catalogue, and all of them", () => {
    const used = new Map<string, Set<string>>();
    for (const opCase of allCases().filter(isFloatCase)) {
      if (GPUJS_DECLINES.includes(opCase.op)) continue;
      const { graph, node } = prepareCase(opCase);
      for (const texels of [false, true]) {
        for (const { kernel } of lowerGraph(graph, "webgl", texels).kernels.get(node.name) ?? []) {
          used.set(kernel, (used.get(kernel) ?? new Set()).add(node.op));
        }
      }
    }
    const missing = [...used].flatMap(([kernel, ops]) => {
      const row = GPUJS_KERNELS.find(({ name }) => name === kernel);
      return [...ops].filter((op) => row?.ops.includes(op) !== true).map((op) => `${kernel} for ${op}`);
    });
    expect(missing).toEqual([]);
    const names = GPUJS_KERNELS.map(({ name }) => name);
    expect(names.filter((name) => !isKernelName(name))).toEqual([]);
    expect(names.filter((name) => !used.has(name))).toEqual([]);
  });
});
