/** Kernels on compact codes: equal to the dense kernels on the decoded weights, at every remainder and table size. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeTolerance, compareOutputs } from "../../../src/engines/tolerance.ts";
import type { ThreadHost } from "../../../src/engines/engine.ts";
import { NO_FEATURES } from "../../../src/engines/wasm/features.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { MODULE_PATH, loadModules } from "../../../src/engines/wasm/module.ts";
import type { KernelCall } from "../../../src/engines/wasm/program.ts";
import { WasmSession } from "../../../src/engines/wasm/session.ts";
import { cut } from "../../../src/engines/wasm/threads/schedule.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { codedConv, codedDense, inputOf } from "../coded.ts";
import type { CodeSpec } from "../coded.ts";
import { RELU6 } from "./cases.ts";
import { context } from "./context.ts";

const SPECS: readonly CodeSpec[] = [
  ...[1, 2, 15, 16, 17, 256].map((values) => ({ kind: "codebook" as const, values })),
  ...[1, 3, 16, 18, 32, 1000].map((block) => ({ kind: "int4" as const, block })),
  { kind: "int8" },
  { kind: "float16" },
];

function kindOf(spec: CodeSpec): string {
  return spec.kind === "codebook" ? (spec.values <= 16 ? "codebook4" : "codebook8") : spec.kind;
}

async function run(
  graph: Graph,
  coded: "on" | "off" | "auto",
): Promise<{ readonly out: Float32Array; readonly kernel: string; readonly why: string; readonly weights: number }> {
  const session = await wasmEngine.compile(graph, context, { coded, relaxed: "off" });
  try {
    const [out] = await session.run([inputOf(graph)]);
    const { kernel, why = "" } = session.placement()[0]!;
    return { out: out as Float32Array, kernel, why, weights: session.memory().weights };
  } finally {
    session.dispose();
  }
}

/** @param exact whether the kernel adds in the dense kernel's order */
async function check(graph: Graph, family: string, spec: CodeSpec, exact = true): Promise<void> {
  const dense = await run(graph, "off");
  const coded = await run(graph, "on");
  expect(coded.kernel).toBe(`f32_${family.replace("*", kindOf(spec))}__wasm_simd`);
  expect(dense.kernel).not.toContain(kindOf(spec));
  if (exact) {
    expect(coded.out).toEqual(dense.out);
    return;
  }
  const tolerance = nodeTolerance(graph, graph.nodes[0]!, [inputOf(graph), undefined, undefined], dense.out);
  const comparison = compareOutputs([dense.out], [coded.out], [tolerance]);
  expect(comparison.pass, comparison.message).toBe(true);
}

describe.each(SPECS)("$kind $values$block", (spec) => {
  it("many rows: every remainder of rows, columns and depth", async () => {
    let seed = 0;
    for (const m of [2, 3, 4, 5, 7, 13])
      for (const n of [1, 3, 4, 5, 7, 8, 9, 17]) await check(codedDense({ spec, seed: seed++ }, m, n, 7), "gemm_*_4x8", spec);
    for (const k of [1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 61])
      await check(codedDense({ spec, seed: seed++, activation: RELU6 }, 5, 11, k), "gemm_*_4x8", spec);
  });

  it("one row: every remainder of columns and depth", async () => {
    let seed = 0;
    const exact = spec.kind !== "int4" && spec.kind !== "int8";
    for (const n of [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 24, 25, 32, 48, 49, 67])
      await check(codedDense({ spec, seed: seed++ }, 1, n, 7), "gemv_*_1x24", spec, exact);
    for (const k of [1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 61])
      await check(codedDense({ spec, seed: seed++, activation: { kind: "hardswish" } }, 1, 29, k), "gemv_*_1x24", spec, exact);
  });

  it("windows: strides, pads, dilations, groups, batches", async () => {
    const family = "conv_*_4x8";
    const layer = { spec, seed: 5 };
    await check(codedConv(layer, [1, 6, 7, 5], 11, [3, 3], { pads: [1, 1, 1, 1] }), family, spec);
    await check(codedConv({ ...layer, activation: RELU6 }, [2, 7, 6, 3], 8, [3, 2], { strides: [2, 1], pads: [0, 1, 2, 0] }), family, spec);
    await check(codedConv(layer, [1, 9, 9, 4], 9, [3, 3], { dilations: [2, 2] }), family, spec);
    await check(codedConv(layer, [1, 6, 7, 8], 12, [3, 3], { groups: 4, pads: [1, 1, 1, 1] }), family, spec);
    await check(codedConv(layer, [1, 4, 4, 6], 10, [1, 1], { groups: 2 }), "gemm_*_4x8", spec);
  });

  it("blocks of rows", async () => {
    await check(codedDense({ spec, seed: 3 }, 143, 9, 512), "gemm_*_4x8", spec);
    await check(codedConv({ spec, seed: 4 }, [1, 14, 13, 40], 9, [3, 3], { pads: [1, 1, 1, 1] }), "conv_*_4x8", spec);
  });
});

describe("float16 special values", () => {
  const spec: CodeSpec = { kind: "float16", special: true };

  it("are widened exactly where there are many rows", async () => {
    await check(codedDense({ spec, seed: 1 }, 6, 13, 9), "gemm_*_4x8", spec);
    await check(codedConv({ spec, seed: 2 }, [1, 5, 5, 3], 9, [3, 3]), "conv_*_4x8", spec);
  });

  it("of one row are left to the dense kernel", async () => {
    const { kernel, out } = await run(codedDense({ spec, seed: 3 }, 1, 13, 9), "on");
    expect(kernel).toBe("f32_gemv_packed_1x24__wasm_simd");
    expect(out).toEqual((await run(codedDense({ spec, seed: 3 }, 1, 13, 9), "off")).out);
  });

  it("subnormals alone stay in the one-row kernel", async () => {
    const graph = codedDense({ spec: { kind: "float16" }, seed: 4 }, 1, 3, 2);
    const w = graph.tensors.get("w")!;
    const code = { kind: "float16", bits: Uint16Array.of(1, 0x8001, 0x03ff, 0x0400, 0x8000, 0x7bff) } as const;
    const data = Float32Array.of(2 ** -24, -(2 ** -24), 1023 * 2 ** -24, 2 ** -14, -0, 65504);
    const special = { ...graph, tensors: new Map(graph.tensors).set("w", { ...w, code, data }) };
    await check(special, "gemv_*_1x24", { kind: "float16" });
  });
});

describe("any layer", () => {
  it("equals the dense kernel to the bit", async () => {
    const spec = fc.oneof(
      fc.record({ kind: fc.constant("codebook" as const), values: fc.integer({ min: 1, max: 256 }) }),
      fc.record({ kind: fc.constant("int4" as const), block: fc.integer({ min: 1, max: 70 }) }),
      fc.record({ kind: fc.constant("int8" as const) }),
      fc.record({ kind: fc.constant("float16" as const) }),
    );
    const size = fc.integer({ min: 1, max: 40 });
    await fc.assert(
      fc.asyncProperty(spec, fc.integer({ min: 2, max: 40 }), size, size, fc.nat(), async (s, m, n, k, seed) =>
        check(codedDense({ spec: s, seed }, m, n, k), "gemm_*_4x8", s),
      ),
      { numRuns: 60 },
    );
  });
});

describe("shared among threads", () => {
  /** Threads that never do anything: the main one makes every piece. */
  const idle: ThreadHost = { available: 1, start: () => Promise.resolve({ terminate: () => undefined }) };

  async function inPieces(graph: Graph, pieces: number): Promise<{ readonly out: unknown; readonly split: readonly string[] }> {
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
    const [out] = await session.run([inputOf(graph)]);
    session.dispose();
    return { out, split };
  }

  it.each(SPECS)("$kind $values$block: the same results in pieces", async (spec) => {
    const layer = { spec, seed: 9 };
    const conv = { pads: [1, 1, 1, 1] } as const;
    for (const graph of [codedDense(layer, 1, 101, 33), codedDense(layer, 37, 67, 33), codedConv(layer, [1, 6, 7, 5], 43, [3, 3], conv)]) {
      const whole = await run(graph, "on");
      for (const pieces of [2, 3, 64]) {
        const { out, split } = await inPieces(graph, pieces);
        expect(split).toContain(whole.kernel);
        expect(out).toEqual(whole.out);
      }
    }
  });
});

describe("coded=auto", () => {
  const spec: CodeSpec = { kind: "codebook", values: 200 };

  it("keeps the code where decoding is shared by many rows, and says what it is", async () => {
    const { kernel, why } = await run(codedDense({ spec, seed: 1 }, 64, 16, 32), "auto");
    expect(kernel).toBe("f32_gemm_codebook8_4x8__wasm_simd");
    expect(why).toBe("200 shared values, 8-bit indices");
    expect((await run(codedDense({ spec, seed: 1 }, 4, 16, 32), "auto")).why).toMatch(
      /^200 shared values, 8-bit indices; expanded they would run 2\.\d times as fast$/,
    );
  });

  it("expands weights where the code would take much longer, and says so", async () => {
    const { kernel, why, weights } = await run(codedDense({ spec, seed: 1 }, 1, 16, 32), "auto");
    expect(kernel).toBe("f32_gemv_packed_1x24__wasm_simd");
    expect(why).toMatch(/^dense weights; its code \(200 shared values, 8-bit indices\) would take \d\.\d times as long$/);
    expect(weights).toBeGreaterThan((await run(codedDense({ spec, seed: 1 }, 1, 16, 32), "on")).weights);
  });

  it("is a word of the target, checked", async () => {
    await expect(wasmEngine.compile(codedDense({ spec, seed: 1 }, 1, 2, 3), context, { coded: "yes" })).rejects.toThrow(
      'target wasm: bad value of option coded, got "yes", expected auto or on or off',
    );
  });
});
