/** Integer layers from 4-bit indices into int8 values: equal to the CPU engine on the expanded weights to the bit, at every remainder. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import type { ThreadHost } from "../../../src/engines/engine.ts";
import { NO_FEATURES, hostFeatures } from "../../../src/engines/wasm/features.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { MODULE_PATH, RELAXED_MODULE_PATH, loadModules } from "../../../src/engines/wasm/module.ts";
import { codebookPanelBytes, keptBits, packCodebookPanels, packCodebookRow } from "../../../src/engines/wasm/pack-coded-i8.ts";
import type { KernelCall } from "../../../src/engines/wasm/program.ts";
import { WasmSession } from "../../../src/engines/wasm/session.ts";
import { cut } from "../../../src/engines/wasm/threads/schedule.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { codebookConv, codebookDense, codebookInput } from "../int8-codebook.ts";
import type { CodebookSpec } from "../int8-codebook.ts";
import { RELU6 } from "./cases.ts";
import { context } from "./context.ts";

const host = await hostFeatures();
/** Where the dot product saturates pairs of products to int16, as without AVX-VNNI, it is exact for weights up to this: 2 × 255 × 64 < 2^15. */
const SATURATING_LIMIT = 64;

async function reference(graph: Graph): Promise<unknown> {
  const session = await cpuEngine.compile(graph, context, {});
  const [out] = await session.run([codebookInput(graph)]);
  session.dispose();
  return out;
}

async function run(
  graph: Graph,
  options: Readonly<Record<string, string>>,
): Promise<{ readonly out: unknown; readonly kernel: string; readonly why: string; readonly weights: number }> {
  const session = await wasmEngine.compile(graph, context, options);
  try {
    const [out] = await session.run([codebookInput(graph)]);
    const { kernel, why = "" } = session.placement()[0]!;
    return { out, kernel, why, weights: session.memory().weights };
  } finally {
    session.dispose();
  }
}

const FORMS = [
  { feature: "simd", features: NO_FEATURES, modules: [MODULE_PATH], limit: 127 },
  {
    feature: "relaxed",
    features: new Set(["relaxed-dot"] as const),
    modules: [MODULE_PATH, RELAXED_MODULE_PATH],
    limit: host.dot === "exact" ? 127 : SATURATING_LIMIT,
  },
] as const;

describe.each(FORMS)("on $feature", ({ feature, features, modules, limit }) => {
  const check = async (graph: Graph, family: string): Promise<void> => {
    const forced = `i8_${family}__wasm_${feature}`;
    const selection = { features, simd: true, sparse: "auto", coded: "auto", chosen: new Map(), forced: [forced] } as const;
    const session = new WasmSession(graph, await loadModules(context, modules), context.now, selection);
    const [out] = await session.run([codebookInput(graph)]);
    expect(session.placement()[0]!.kernel).toBe(forced);
    session.dispose();
    expect(out).toEqual(await reference(graph));
  };
  const its = it.skipIf(feature === "relaxed" && !host.relaxed);
  let seed = 0;
  const next = (values = 16): CodebookSpec => ({ values, limit, seed: seed++, dtype: seed % 2 === 0 ? "int8" : "uint8" });

  its("many rows: every remainder of rows, columns and depth, every number of values", async () => {
    for (const m of [2, 3, 4, 5, 7, 13])
      for (const n of [1, 3, 4, 5, 7, 8, 9, 17]) await check(codebookDense(next(), m, n, 7), "gemm_codebook4_4x8");
    for (const k of [1, 2, 3, 4, 5, 8, 15, 16, 17, 18, 19, 31, 32, 33, 61])
      await check(codebookDense({ ...next(), activation: RELU6 }, 5, 11, k), "gemm_codebook4_4x8");
    for (let values = 1; values <= 16; values++) await check(codebookDense(next(values), 5, 11, 35), "gemm_codebook4_4x8");
  });

  its("one row: every remainder of columns and depth", async () => {
    for (const n of [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 67]) await check(codebookDense(next(), 1, n, 7), "gemv_codebook4_1x8");
    for (const k of [1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 61, 64, 65, 97])
      await check(codebookDense({ ...next(3), activation: RELU6 }, 1, 29, k), "gemv_codebook4_1x8");
  });

  its("windows: strides, pads, dilations, groups, batches, odd runs", async () => {
    const family = "conv_codebook4_4x8";
    await check(codebookConv(next(), [1, 6, 7, 5], 11, [3, 3], { pads: [1, 1, 1, 1] }), family);
    await check(codebookConv({ ...next(), activation: RELU6 }, [2, 7, 6, 3], 8, [3, 2], { strides: [2, 1], pads: [0, 1, 2, 0] }), family);
    await check(codebookConv(next(), [1, 9, 9, 4], 9, [3, 3], { dilations: [2, 2] }), family);
    await check(codebookConv(next(), [1, 9, 9, 1], 9, [5, 5]), family);
    await check(codebookConv(next(), [1, 6, 7, 8], 12, [3, 3], { groups: 4, pads: [1, 1, 1, 1] }), family);
    await check(codebookConv(next(), [1, 4, 4, 6], 10, [1, 1], { groups: 2 }), "gemm_codebook4_4x8");
  });

  its("blocks of rows", async () => {
    await check(codebookDense(next(), 143, 9, 512), "gemm_codebook4_4x8");
    await check(codebookConv(next(), [1, 14, 13, 40], 9, [3, 3], { pads: [1, 1, 1, 1] }), "conv_codebook4_4x8");
  });

  its("any layer", async () => {
    const size = fc.integer({ min: 1, max: 70 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 9 }), size, size, fc.nat(), (values, m, n, k, s) =>
        check(codebookDense({ values, limit, seed: s }, m, n, k), m === 1 ? "gemv_codebook4_1x8" : "gemm_codebook4_4x8"),
      ),
      { numRuns: 60 },
    );
  });
});

describe("shared among threads", () => {
  /** Threads that never do anything: the main one makes every piece. */
  const idle: ThreadHost = { available: 1, start: () => Promise.resolve({ terminate: () => undefined }) };

  it("the same results in pieces", async () => {
    const spec: CodebookSpec = { values: 16, seed: 9 };
    const graphs = [
      codebookDense(spec, 1, 101, 33),
      codebookDense(spec, 37, 67, 33),
      codebookConv(spec, [1, 6, 7, 5], 43, [3, 3], { pads: [1, 1, 1, 1] }),
    ];
    for (const graph of graphs) {
      for (const pieces of [2, 3, 64]) {
        const split: string[] = [];
        const share = (call: KernelCall): readonly KernelCall[] | undefined => {
          const parts = cut(call, Math.min(pieces, call.split?.units ?? 1));
          if (parts !== undefined) split.push(call.kernel);
          return parts?.toReversed();
        };
        const selection = { features: NO_FEATURES, simd: true, sparse: "auto", coded: "on", chosen: new Map() } as const;
        const modules = await loadModules(context, [MODULE_PATH], "shared");
        const session = new WasmSession(graph, modules, context.now, selection, { threads: 2, maxPieces: pieces, pieces: share });
        await session.startThreads(idle);
        const [out] = await session.run([codebookInput(graph)]);
        expect(split).toContain(session.placement()[0]!.kernel);
        expect(session.placement()[0]!.kernel).toContain("codebook4");
        session.dispose();
        expect(out).toEqual(await reference(graph));
      }
    }
  });
});

describe("streams", () => {
  const code = { kind: "int8Codebook", values: 2, table: Int8Array.of(5, -5, 7, -7), indices: Uint8Array.of(0, 1, 1, 1, 0, 1) } as const;
  const matrix = { code, first: 1, n: 1, k: 3, bias: Int32Array.of(100), scales: Float32Array.of(0.5) };

  it("panels: bias, scales, the row's own values, then low and high nibbles of 16 inputs", () => {
    const stream = packCodebookPanels(matrix, 1, 2);
    expect(stream.length).toBe(codebookPanelBytes(4));
    const view = new DataView(stream.buffer);
    expect([view.getInt32(0, true), view.getFloat32(32, true), view.getInt8(64), view.getInt8(65)]).toEqual([100, 0.5, 7, -7]);
    expect([...stream.subarray(192, 200)]).toEqual([1, 0, 1, 0, 0, 0, 0, 0]);
    expect([keptBits(3, 2), keptBits(4, 2), keptBits(5, 4), keptBits(7, 4), keptBits(8, 4)]).toEqual([0xffff, -1, 0xff, 0xffffff, -1]);
  });

  it("a row: 16 inputs in low nibbles, the next 16 in high ones", () => {
    const indices = Uint8Array.from({ length: 40 }, (_, i) => (i === 0 || i === 17 || i === 33 ? 1 : 0));
    const stream = packCodebookRow({ ...matrix, code: { ...code, indices }, first: 0, k: 40 });
    const at = (step: number, i: number): number => stream[192 + step * 64 + i]!;
    expect([at(0, 0), at(0, 1), at(1, 1), at(1, 2)]).toEqual([1, 16, 1, 0]);
  });
});

describe("coded=auto", () => {
  const spec: CodebookSpec = { values: 12, seed: 1 };

  it("keeps the indices, and says what they are", async () => {
    const graph = codebookDense(spec, 64, 64, 256);
    const { kernel, why, weights } = await run(graph, { relaxed: "off" });
    expect(kernel).toBe("i8_gemm_codebook4_4x8__wasm_simd");
    expect(why).toBe("12 shared values an output, 4-bit indices");
    expect(weights).toBeLessThan(0.4 * (await run(graph, { relaxed: "off", coded: "off" })).weights);
  });
});
