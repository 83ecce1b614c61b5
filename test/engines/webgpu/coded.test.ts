/** Kernels on compact codes: equal to the CPU engine on the decoded weights at every remainder, and smaller in GPU memory. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { compareOutputs } from "../../../src/engines/tolerance.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { codedConv, codedDense } from "../coded.ts";
import type { CodeSpec } from "../coded.ts";
import { keepDevice, testContext } from "./context.ts";
import { checkForced, reference, runForced } from "./forced.ts";
import { randomInputs } from "./graphs.ts";

let shared: SharedDevice;
let context: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
});
afterAll(() => {
  shared.release();
});

const SPECS: readonly (readonly [kind: string, CodeSpec])[] = [
  ["codebook4", { kind: "codebook", values: 16 }],
  ["codebook8", { kind: "codebook", values: 200 }],
  ["int4", { kind: "int4", block: 16 }],
  ["int8", { kind: "int8" }],
  ["float16", { kind: "float16" }],
];
const ON = { coded: "on" } as const;

function check(graph: Graph, kernel: string, where: string): Promise<number> {
  return checkForced(graph, kernel, context, ON, where);
}

/** Name of the kernel for rows of k values. */
function dense(kind: string, tile: string, k: number): string {
  return `f32_gemm_${kind}_${tile}__wgsl${k % 4 === 0 ? "" : "_scalar"}`;
}

describe.each(SPECS)("%s", (kind, spec) => {
  it("tiles in registers: every remainder of rows, columns and depth", async () => {
    let seed = 0;
    for (const m of [4, 5, 7, 13])
      for (const n of [1, 3, 4, 5, 17]) await check(codedDense({ spec, seed: seed++ }, m, n, 8), dense(kind, "4x4", 8), `${m}×${n}×8`);
    for (const k of [1, 3, 4, 5, 12, 16, 20, 37, 61])
      await check(
        codedDense({ spec, seed: seed++, activation: { kind: "clamp", min: 0, max: 6 } }, 5, 11, k),
        dense(kind, "4x4", k),
        `5×11×${k}`,
      );
  });

  it("few rows", async () => {
    let seed = 0;
    for (const m of [1, 2, 3])
      for (const n of [1, 4, 5, 13]) await check(codedDense({ spec, seed: seed++ }, m, n, 20), dense(kind, "1x4", 20), `${m}×${n}×20`);
    for (const k of [1, 3, 5, 37, 61]) await check(codedDense({ spec, seed: seed++ }, 1, 11, k), dense(kind, "1x4", k), `1×11×${k}`);
  });

  it("few rows, k split over threads", async () => {
    let seed = 0;
    for (const k of [64, 67, 68, 127, 128, 131, 256])
      for (const n of [1, 15, 17]) await check(codedDense({ spec, seed: seed++ }, 1, n, k), dense(kind, "split_1x4", k), `1×${n}×${k}`);
    await check(codedDense({ spec, seed: 9, activation: { kind: "hardswish" } }, 3, 29, 100), dense(kind, "split_1x4", 100), "3×29×100");
  });

  it("tiles in workgroup memory", async () => {
    let seed = 0;
    for (const m of [4, 31, 32, 33, 67])
      for (const n of [1, 31, 33]) await check(codedDense({ spec, seed: seed++ }, m, n, 36), dense(kind, "32x32", 36), `${m}×${n}×36`);
    for (const k of [4, 28, 32, 64, 68]) await check(codedDense({ spec, seed: seed++ }, 33, 37, k), dense(kind, "32x32", k), `33×37×${k}`);
    await check(codedConv({ spec, seed }, [1, 7, 9, 4], 37, [3, 3], { pads: [1, 1, 1, 1] }), `f32_conv_${kind}_32x32__wgsl`, "image");
  });

  it("windows: strides, pads, dilations, groups, batches", async () => {
    const layer = { spec, seed: 5 };
    const conv = `f32_conv_${kind}_4x4__wgsl`;
    await check(codedConv(layer, [1, 6, 7, 8], 11, [3, 3], { pads: [1, 1, 1, 1] }), conv, "3×3");
    await check(codedConv(layer, [2, 7, 6, 4], 8, [3, 2], { strides: [2, 1], pads: [0, 1, 2, 0] }), conv, "strides");
    await check(codedConv(layer, [1, 9, 9, 4], 9, [3, 3], { dilations: [2, 2] }), conv, "dilations");
    await check(codedConv(layer, [1, 6, 7, 16], 12, [3, 3], { groups: 4, pads: [1, 1, 1, 1] }), conv, "groups");
    await check(codedConv(layer, [1, 3, 3, 8], 9, [3, 3]), `f32_conv_${kind}_1x4__wgsl`, "one pixel");
    await check(codedConv(layer, [1, 4, 4, 6], 10, [1, 1]), `f32_gemm_${kind}_4x4__wgsl_scalar`, "1×1");
  });

  it("any layer, whatever its size", async () => {
    const size = fc.integer({ min: 1, max: 40 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 4, max: 40 }), size, size, fc.nat(), async (m, n, k, seed) => {
        await check(codedDense({ spec, seed }, m, n, k), dense(kind, "4x4", k), `${m}×${n}×${k}`);
      }),
      { numRuns: 20 },
    );
  });
});

describe("windows of odd channels, where the tail of a run reads its neighbour's values", () => {
  const conv = (spec: CodeSpec): Graph => codedConv({ spec, seed: 5 }, [1, 6, 7, 5], 11, [3, 3], { pads: [1, 1, 1, 1] });

  it("a codebook gets a value of zero, of its own width or the next", async () => {
    await check(conv({ kind: "codebook", values: 15 }), "f32_conv_codebook4_4x4__wgsl_scalar", "15 values");
    await check(conv({ kind: "codebook", values: 16 }), "f32_conv_codebook8_4x4__wgsl_scalar", "16 values");
    await check(conv({ kind: "codebook", values: 255 }), "f32_conv_codebook8_4x4__wgsl_scalar", "255 values");
    await check(conv({ kind: "float16" }), "f32_conv_float16_4x4__wgsl_scalar", "float16");
    await check(conv({ kind: "int8" }), "f32_conv_int8_4x4__wgsl_scalar", "int8");
  });

  it.each([
    ["256 values without a zero", { kind: "codebook", values: 256 }],
    ["int4 blocks that end inside a unit of four", { kind: "int4", block: 16 }],
  ] as const)("%s are expanded", async (what, spec) => {
    const graph = conv(spec);
    const session = await webgpuEngine.compile(graph, context, ON);
    expect(session.placement()[0]!.kernel).toMatch(/^f32_conv_(direct|quad)_\d+x4__wgsl/);
    session.dispose();
    await check(graph, "f32_conv_direct_4x4__wgsl_scalar", what);
  });
});

describe("coded=auto", () => {
  it.each([
    ["codebook4", { kind: "codebook", values: 16 }, 0.14],
    ["codebook8", { kind: "codebook", values: 200 }, 0.27],
    ["int4", { kind: "int4", block: 32 }, 0.17],
    ["int8", { kind: "int8" }, 0.27],
    ["float16", { kind: "float16" }, 0.51],
  ] as const)("%s stays a code in GPU memory", async (kind, spec, share) => {
    const graph = codedDense({ spec, seed: 1 }, 8, 128, 256);
    const session = await webgpuEngine.compile(graph, context, {});
    const { weights } = session.memory();
    expect(session.placement()[0]!.kernel).toBe(`f32_gemm_${kind}_4x4__wgsl`);
    session.dispose();
    const dense = await webgpuEngine.compile(graph, context, { coded: "off" });
    expect(dense.placement()[0]!.kernel).toMatch(/^f32_gemm_(direct|quad)_\d+x4__wgsl$/);
    expect(weights).toBeLessThan(share * dense.memory().weights);
    dense.dispose();
  });

  it("infinities of float16 are left to the dense kernel", async () => {
    const graph = codedDense({ spec: { kind: "float16", special: true }, seed: 1 }, 6, 13, 9);
    const session = await webgpuEngine.compile(graph, context, ON);
    expect(session.placement()[0]!.kernel).toMatch(/^f32_gemm_(direct|quad)_\d+x4__wgsl/);
    session.dispose();
  });

  it("subnormal float16 numbers are widened exactly", async () => {
    const graph = codedDense({ spec: { kind: "float16" }, seed: 4 }, 4, 1, 4);
    const w = graph.tensors.get("w")!;
    const code = { kind: "float16", bits: Uint16Array.of(1, 0x8001, 0x03ff, 0x0400) } as const;
    const data = Float32Array.of(2 ** -24, -(2 ** -24), 1023 * 2 ** -24, 2 ** -14);
    const tiny = { ...graph, tensors: new Map(graph.tensors).set("w", { ...w, code, data }) };
    const bias = { ...graph.tensors.get("bias")!, data: Float32Array.of(0) };
    tiny.tensors.set("bias", bias);
    await check(tiny, "f32_gemm_float16_4x4__wgsl", "subnormals");
  });
});

describe("the comparison itself", () => {
  it("notices one wrong code", async () => {
    const graph = codedDense({ spec: { kind: "codebook", values: 16 }, seed: 7 }, 5, 9, 12);
    const w = graph.tensors.get("w")!;
    if (w.code?.kind !== "codebook") throw new Error("codebook expected");
    const indices = w.code.indices.slice();
    indices[17] = (indices[17]! + 1) % 16;
    const wrong = { ...graph, tensors: new Map(graph.tensors).set("w", { ...w, code: { ...w.code, indices } }) };
    const inputs = randomInputs(graph, 1);
    const { out } = await runForced(wrong, "f32_gemm_codebook4_4x4__wgsl", context, ON, inputs);
    const want = await reference(graph, context, inputs);
    expect(compareOutputs([want], [out], 1e-5).pass).toBe(false);
  });
});
