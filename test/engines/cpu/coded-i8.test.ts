/** 8-bit layers on 4-bit indices: equal to the same layers on plain weights, to the bit. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { codeBytes, withoutCode } from "../../../src/graph/code.ts";
import type { Graph, Int8CodebookCode } from "../../../src/graph/ir.ts";
import { codebookConv, codebookDense, codebookInput } from "../int8-codebook.ts";
import type { CodebookSpec } from "../int8-codebook.ts";

const context = { readAsset: () => Promise.reject(new Error("no files")), now: () => 0 };
const RELU6 = { kind: "clamp", min: 0, max: 6 } as const;

interface Ran {
  readonly out: unknown;
  readonly kernel: string;
  readonly why: string | undefined;
  readonly weights: number;
}

async function run(graph: Graph, sparse = "off"): Promise<Ran> {
  const session = await cpuEngine.compile(graph, context, { sparse });
  const [out] = await session.run([codebookInput(graph)]);
  const { kernel, why } = session.placement()[0]!;
  return { out, kernel, why, weights: session.memory().weights };
}

const plainOf = (graph: Graph): Graph => ({
  ...graph,
  tensors: new Map(graph.tensors).set("w", withoutCode(graph.tensors.get("w")!)),
});

async function check(graph: Graph, family: "gemm" | "conv"): Promise<void> {
  const [coded, dense] = [await run(graph), await run(plainOf(graph))];
  const type = graph.tensors.get("x")!.dtype === "int8" ? "i8" : "u8";
  expect(coded.kernel).toBe(`${type}_${family}_codebook4_8x4__cpu`);
  expect(dense.kernel).not.toBe(coded.kernel);
  expect(coded.out).toEqual(dense.out);
}

let seeds = 0;
/** int8 and uint8 in turn. */
const next = (values = 16): CodebookSpec => ({ values, seed: seeds++, dtype: seeds % 2 === 0 ? "int8" : "uint8" });

function withCode(graph: Graph, change: (code: Int8CodebookCode) => Int8CodebookCode): Graph {
  const w = graph.tensors.get("w")!;
  if (w.code?.kind !== "int8Codebook") throw new Error("codebook expected");
  return { ...graph, tensors: new Map(graph.tensors).set("w", { ...w, code: change(w.code) }) };
}

describe("equal to expanded weights", () => {
  it("dense layers: every remainder of rows, columns and depth, every number of values", async () => {
    for (const m of [1, 2, 3, 7, 8, 9, 13, 17]) for (const n of [1, 3, 4, 5, 9]) await check(codebookDense(next(), m, n, 7), "gemm");
    for (const k of [1, 2, 3, 15, 16, 17, 61]) await check(codebookDense({ ...next(), activation: RELU6 }, 5, 6, k), "gemm");
    for (let values = 1; values <= 16; values++) await check(codebookDense(next(values), 9, 7, 35), "gemm");
  });

  it("convolutions: pads, strides, dilations, groups, batches", async () => {
    await check(codebookConv(next(), [1, 6, 7, 5], 11, [3, 3], { pads: [1, 1, 1, 1] }), "conv");
    await check(codebookConv({ ...next(), activation: RELU6 }, [2, 7, 6, 3], 8, [3, 2], { strides: [2, 1], pads: [0, 1, 2, 0] }), "conv");
    await check(codebookConv(next(), [1, 6, 7, 8], 12, [3, 3], { groups: 4, dilations: [2, 1] }), "conv");
    await check(codebookConv(next(), [1, 5, 5, 6], 7, [1, 1]), "gemm");
  });

  it("more rows than wait for one decoded panel, and more inputs than one sum of doubles holds", async () => {
    await check(codebookDense(next(), 143, 9, 40), "gemm");
    await check(codebookDense(next(), 11, 5, 20_000), "gemm");
  });

  it("any layer", async () => {
    const size = fc.integer({ min: 1, max: 70 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 16 }), size, size, size, fc.nat(), (values, m, n, k, seed) =>
        check(codebookDense({ values, seed }, m, n, k), "gemm"),
      ),
      { numRuns: 60 },
    );
  });

  it("notices one wrong index", async () => {
    const graph = codebookDense({ values: 16, seed: 7 }, 5, 9, 12);
    const wrong = withCode(graph, (code) => ({ ...code, indices: code.indices.map((index, i) => (i === 17 ? (index + 1) % 16 : index)) }));
    await check(graph, "gemm");
    await expect(check(wrong, "gemm")).rejects.toThrow(/expected/);
  });
});

describe("what the record says", () => {
  it("the weights' bytes: indices, values, bias and scales", async () => {
    const graph = codebookDense({ values: 16, seed: 1 }, 64, 8, 64);
    const { weights, why } = await run(graph);
    expect(weights).toBe(codeBytes(graph.tensors.get("w")!.code!) + 8 * 4 + 8 * 4);
    expect((await run(plainOf(graph))).weights).toBe(8 * 64 + 8 * 4 + 8 * 4);
    expect(why).toBe("16 shared values an output, 4-bit indices");
  });

  it("what the code costs where there are few rows", async () => {
    const { kernel, why } = await run(codebookDense({ values: 9, seed: 1 }, 1, 8, 64));
    expect(kernel).toBe("i8_gemm_codebook4_8x4__cpu");
    expect(why).toBe("9 shared values an output, 4-bit indices; expanded they would run 2.5 times as fast");
  });

  it("why it is expanded: zeros, and weights with a zero point", async () => {
    const sparse = codebookDense({ values: 1, seed: 1 }, 16, 32, 40);
    const code: Int8CodebookCode = {
      kind: "int8Codebook",
      values: 2,
      table: Int8Array.from({ length: 64 }, (_, i) => (i % 2) * 5),
      indices: Uint8Array.from({ length: 32 * 40 }, (_, i) => (i % 10 === 0 ? 1 : 0)),
    };
    const w = { ...sparse.tensors.get("w")!, code, data: Int8Array.from(code.indices, (index) => index * 5) };
    const zeros = await run({ ...sparse, tensors: new Map(sparse.tensors).set("w", w) }, "auto");
    expect(zeros.kernel).toBe("i8_spmm_1x8_8x4__cpu");
    expect(zeros.why).toBe("90 % of its weights are zero; its code (2 shared values an output, 4-bit indices) would skip none");

    const graph = codebookDense({ values: 16, seed: 1 }, 16, 8, 40);
    const plain = graph.tensors.get("w")!;
    const shifted = { ...plain, quant: { ...plain.quant!, zeroPoints: new Int32Array(8).fill(3) } };
    const expanded = await run({ ...graph, tensors: new Map(graph.tensors).set("w", shifted) });
    expect(expanded.kernel).toBe("i8_gemm_packed_8x4__cpu");
    expect(expanded.why).toBe("no kernel of this layer runs from its code (16 shared values an output, 4-bit indices)");
  });
});
