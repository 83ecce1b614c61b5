/** Layers that quantize their input at run time on the WASM engine: equal to the CPU engine to the bit, also in pieces. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import type { ThreadHost } from "../../../src/engines/engine.ts";
import { NO_FEATURES } from "../../../src/engines/wasm/features.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { MODULE_PATH, loadModules } from "../../../src/engines/wasm/module.ts";
import type { KernelCall } from "../../../src/engines/wasm/program.ts";
import { WasmSession } from "../../../src/engines/wasm/session.ts";
import { cut } from "../../../src/engines/wasm/threads/schedule.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { dynamicConv, dynamicDense, dynamicGraphs, dynamicInput } from "../dynamic.ts";
import { context } from "./context.ts";

async function reference(graph: Graph, x: Float32Array): Promise<Float32Array> {
  const session = await cpuEngine.compile(graph, context, {});
  const [out] = await session.run([x]);
  session.dispose();
  return out as Float32Array;
}

async function check(graph: Graph, kernel: RegExp, seed: number): Promise<void> {
  const session = await wasmEngine.compile(graph, context, {});
  try {
    expect(session.placement()[0]!.kernel).toMatch(kernel);
    for (const kind of ["signed", "positive", "zero"] as const) {
      const x = dynamicInput(graph, seed, kind);
      const [out] = await session.run([x]);
      expect(out).toEqual(await reference(graph, x));
    }
  } finally {
    session.dispose();
  }
}

describe("layers", () => {
  it.each(dynamicGraphs())("%s", async (_, graph) => {
    await check(graph, /^i8_(gemm|conv)_dynamic_4x8__wasm_simd$/, 3);
  });

  it("any dense layer, whatever its size", async () => {
    const size = fc.integer({ min: 1, max: 40 });
    await fc.assert(
      fc.asyncProperty(size, size, size, fc.nat(), async (m, n, k, seed) => {
        await check(dynamicDense({ seed }, m, n, k), /^i8_gemm_dynamic/, seed);
      }),
      { numRuns: 40 },
    );
  });

  it("run on the CPU engine without vector instructions, and say so", async () => {
    const graph = dynamicDense({ seed: 1 }, 3, 5, 9);
    const session = await wasmEngine.compile(graph, context, { simd: "off" });
    expect(session.placement()[0]!.kernel).toBe("i8_gemm_dynamic_8x4__cpu");
    const x = dynamicInput(graph, 1);
    expect((await session.run([x]))[0]).toEqual(await reference(graph, x));
    session.dispose();
  });
});

describe("shared among threads", () => {
  /** Threads that never do anything: the main one makes every piece. */
  const idle: ThreadHost = { available: 1, start: () => Promise.resolve({ terminate: () => undefined }) };

  it("gives the same results in pieces", async () => {
    const graphs = [
      dynamicDense({ seed: 1 }, 1, 101, 33),
      dynamicDense({ seed: 2 }, 37, 67, 33),
      dynamicConv({ seed: 3 }, [1, 12, 11, 8], 43, [3, 3], { pads: [1, 1, 1, 1] }),
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
        const x = dynamicInput(graph, 5);
        const [out] = await session.run([x]);
        session.dispose();
        expect(split.some((kernel) => kernel.includes("_dynamic_"))).toBe(true);
        expect(out).toEqual(await reference(graph, x));
      }
    }
  });
});
