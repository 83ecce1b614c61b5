/** 8-bit kernels on 4-bit indices: equal to the CPU engine to the bit at every remainder, and smaller in GPU memory. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../../../src/engines/engine.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { packCodebookGemm } from "../../../src/engines/webgpu/pack-coded-i8.ts";
import { withoutCode } from "../../../src/graph/code.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { codebookConv, codebookDense } from "../int8-codebook.ts";
import type { CodebookSpec } from "../int8-codebook.ts";
import { keepDevice, testContext } from "./context.ts";
import { reference, runForced } from "./forced.ts";
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

const ON = { coded: "on" } as const;
const RELU6 = { kind: "clamp", min: 0, max: 6 } as const;

let seeds = 0;
/** int8 and uint8 in turn. */
const next = (values = 16): CodebookSpec => ({ values, seed: seeds++, dtype: seeds % 2 === 0 ? "int8" : "uint8" });

/** The reference runs on the expanded weights, whatever the CPU engine would make of the code. */
async function check(graph: Graph, kernel: string, where: string): Promise<void> {
  const inputs = randomInputs(graph, 1);
  const plain = { ...graph, tensors: new Map(graph.tensors).set("w", withoutCode(graph.tensors.get("w")!)) };
  const { out, kernels } = await runForced(graph, kernel, context, ON, inputs);
  expect(kernels, where).toContain(kernel);
  expect(out, `${kernel}, ${where}`).toEqual(await reference(plain, context, inputs));
}

const TILES = [
  { pattern: "dot4_4x4", m: [4, 5, 7, 13] },
  { pattern: "unpack_4x4", m: [4, 5, 7, 13] },
  { pattern: "dot4_1x4", m: [1, 2, 3] },
  { pattern: "unpack_1x4", m: [1, 2, 3] },
  { pattern: "dot4_32x32", m: [4, 31, 32, 33, 67] },
  { pattern: "unpack_32x32", m: [4, 31, 32, 33, 67] },
  { pattern: "share_16x16", m: [1, 15, 16, 17, 37] },
] as const;

describe.each(TILES)("$pattern", ({ pattern, m: rows }) => {
  const gemm = `i8_gemm_codebook4_${pattern}__wgsl`;
  const conv = `i8_conv_codebook4_${pattern}__wgsl`;
  const middle = rows[1];

  it("every remainder of rows, columns and depth, every number of values", async () => {
    for (const m of rows) for (const n of [1, 3, 4, 5, 17, 33]) await check(codebookDense(next(), m, n, 8), gemm, `${m}×${n}×8`);
    for (const k of [1, 2, 3, 4, 5, 12, 37, 61, 64, 67, 1030])
      await check(codebookDense({ ...next(), activation: RELU6 }, middle, 11, k), gemm, `${middle}×11×${k}`);
    for (const values of [1, 2, 7, 15]) await check(codebookDense(next(values), middle, 6, 35), gemm, `${values} values`);
  });

  it("windows: strides, pads, dilations, groups, batches, pixels that end inside a word", async () => {
    const size = pattern.endsWith("1x4") ? 3 : 7;
    await check(codebookConv(next(), [1, size, size, 5], 11, [3, 3], pattern.endsWith("1x4") ? {} : { pads: [1, 1, 1, 1] }), conv, "3×3");
    await check(codebookConv(next(), [1, size, size, 8], 9, [2, 3], pattern.endsWith("1x4") ? {} : { strides: [2, 1] }), conv, "strides");
    if (pattern.endsWith("1x4")) return;
    await check(codebookConv({ ...next(), activation: RELU6 }, [2, 7, 6, 3], 8, [3, 2], { pads: [0, 1, 2, 0] }), conv, "batch");
    await check(codebookConv(next(), [1, 9, 9, 6], 9, [3, 3], { dilations: [2, 2] }), conv, "dilations");
    await check(codebookConv(next(), [1, 6, 7, 16], 16, [3, 3], { groups: 4, pads: [1, 1, 1, 1] }), conv, "groups");
    await check(codebookConv(next(), [1, 4, 4, 6], 10, [1, 1]), gemm, "1×1");
    await check(codebookConv(next(), [1, 6, 6, 1], 10, [3, 3]), gemm, "patches");
  });

  it("any layer, whatever its size", async () => {
    const size = fc.integer({ min: 1, max: 70 });
    const count = fc.integer({ min: 1, max: 16 });
    await fc.assert(
      fc.asyncProperty(count, fc.constantFrom(...rows), size, size, fc.nat(), async (values, m, n, k, seed) => {
        await check(codebookDense({ values, seed }, m, n, k), gemm, `${m}×${n}×${k}`);
      }),
      { numRuns: 15 },
    );
  });
});

describe("coded=auto", () => {
  const choice = async (
    graph: Graph,
    options: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly kernel: string; readonly why: string; readonly weights: number }> => {
    const session = await webgpuEngine.compile(graph, context, options);
    const { weights } = session.memory();
    const { kernel, why = "" } = session.placement()[0]!;
    session.dispose();
    return { kernel, why, weights };
  };

  it("keeps the indices in GPU memory, and says what they are", async () => {
    for (const m of [1, 64]) {
      const graph = codebookDense({ values: 12, seed: 1 }, m, 64, 512);
      const [kept, dense] = [await choice(graph), await choice(graph, { coded: "off" })];
      expect(kept.kernel).toContain("codebook4");
      expect(kept.why).toMatch(/^12 shared values an output, 4-bit indices(; expanded they would run \d\.\d times as fast)?$/);
      expect(dense.kernel).not.toContain("codebook");
      // Half a byte a weight, 16 bytes of values and 8 of bias and scale a column.
      expect(kept.weights).toBe((64 * 512) / 2 + 64 * (16 + 8));
      expect(dense.weights).toBe(64 * 512 + 64 * 8);
    }
  });

  it("says why groups that do not fill words are expanded", async () => {
    const { kernel, why } = await choice(codebookConv({ values: 16, seed: 1 }, [1, 6, 6, 6], 6, [3, 3], { groups: 3 }));
    expect(kernel).toBe("i8_conv_general_1x4__wgsl");
    expect(why).toBe("four outputs a thread; no kernel of this layer runs from its code (16 shared values an output, 4-bit indices)");
  });
});

describe("packing", () => {
  const code = { kind: "int8Codebook", values: 2, table: Int8Array.of(5, -5, 7, -7), indices: Uint8Array.of(0, 1, 1, 1, 0, 1) } as const;

  it("sixteen bits a column, the first k lowest, and sixteen bytes of values", () => {
    const shape = { groups: 1, groupOut: 2, segmentsY: 1, segmentsX: 1, run: 4, runWeights: 3 };
    const { codes, tables, kept } = packCodebookGemm(code, shape, (o, _sy, _sx, p) => (p < 3 ? o * 3 + p : -1));
    expect([...codes]).toEqual([0x0101_0110, 0]);
    expect([...new Int8Array(tables.buffer).subarray(0, 18)]).toEqual([5, -5, ...new Array<number>(14).fill(0), 7, -7]);
    expect(tables).toHaveLength(16);
    expect(kept).toBe(3);
  });
});

describe("the comparison itself", () => {
  it("notices one wrong index", async () => {
    const graph = codebookDense({ values: 16, seed: 7 }, 16, 9, 12);
    const w = graph.tensors.get("w")!;
    if (w.code?.kind !== "int8Codebook") throw new Error("codebook expected");
    const indices = w.code.indices.slice();
    indices[17] = (indices[17]! + 1) % 16;
    const wrong = { ...graph, tensors: new Map(graph.tensors).set("w", { ...w, code: { ...w.code, indices } }) };
    await check(graph, "i8_gemm_codebook4_dot4_4x4__wgsl", "right");
    await expect(check(wrong, "i8_gemm_codebook4_dot4_4x4__wgsl", "wrong")).rejects.toThrow(/wrong: expected/);
  });
});
