/** Layers on compact codes: equal to the same layers on plain weights, to the bit. */
import { describe, expect, it } from "vitest";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { codeBytes, decode, withoutCode } from "../../../src/graph/code.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { codedConv, codedDense, inputOf } from "../coded.ts";
import type { CodeSpec } from "../coded.ts";

const SPECS: readonly CodeSpec[] = [
  ...[1, 2, 15, 16, 17, 256].map((values) => ({ kind: "codebook" as const, values })),
  ...[1, 3, 16, 18, 32, 1000].map((block) => ({ kind: "int4" as const, block })),
  { kind: "int8" },
  { kind: "float16" },
  { kind: "float16", special: true },
];
const context = { readAsset: () => Promise.reject(new Error("no files")), now: () => 0 };

async function run(graph: Graph): Promise<{ readonly out: Float32Array; readonly kernel: string; readonly weights: number }> {
  const session = await cpuEngine.compile(graph, context, { sparse: "off" });
  const [out] = await session.run([inputOf(graph)]);
  return { out: out as Float32Array, kernel: session.placement()[0]!.kernel, weights: session.memory().weights };
}

async function check(graph: Graph, family: "gemm" | "conv", spec: CodeSpec): Promise<void> {
  const plain = { ...graph, tensors: new Map(graph.tensors).set("w", withoutCode(graph.tensors.get("w")!)) };
  const [coded, dense] = [await run(graph), await run(plain)];
  const kind = spec.kind === "codebook" ? (spec.values <= 16 ? "codebook4" : "codebook8") : spec.kind;
  expect(coded.kernel).toBe(`f32_${family}_${kind}_4x4__cpu`);
  expect(dense.kernel).not.toBe(coded.kernel);
  expect(coded.out).toEqual(dense.out);
}

describe.each(SPECS)("$kind $values$block", (spec) => {
  it("dense layers: every remainder of rows, columns and depth", async () => {
    let seed = 0;
    for (const m of [4, 5, 7, 13]) for (const n of [1, 3, 4, 5, 9]) await check(codedDense({ spec, seed: seed++ }, m, n, 7), "gemm", spec);
    for (const k of [1, 2, 15, 16, 17, 33, 61]) await check(codedDense({ spec, seed: seed++ }, 5, 6, k), "gemm", spec);
  });

  it("convolutions: pads, strides, groups, batches", async () => {
    const layer = { spec, seed: 5 };
    await check(codedConv(layer, [1, 6, 7, 5], 11, [3, 3], { pads: [1, 1, 1, 1] }), "conv", spec);
    await check(codedConv(layer, [2, 7, 6, 3], 8, [3, 2], { strides: [2, 1], pads: [0, 1, 2, 0] }), "conv", spec);
    await check(codedConv(layer, [1, 6, 7, 8], 12, [3, 3], { groups: 4, dilations: [2, 1] }), "conv", spec);
    await check(codedConv(layer, [1, 5, 5, 6], 7, [1, 1]), "gemm", spec);
  });

  it("more rows than wait for one decoded panel", async () => {
    await check(codedDense({ spec, seed: 3 }, 71, 9, 40), "gemm", spec);
    await check(codedDense({ spec, seed: 4 }, 11, 5, 20_000), "gemm", spec);
  });
});

describe("one row", () => {
  const kernelOf = async (spec: CodeSpec): Promise<string> => (await run(codedDense({ spec, seed: 1 }, 1, 9, 33))).kernel;

  it("runs from integers and codes of 4 bits, with the same results", async () => {
    for (const spec of SPECS.filter((s) => s.kind === "int4" || s.kind === "int8" || (s.kind === "codebook" && s.values <= 16))) {
      for (const n of [1, 4, 9]) await check(codedDense({ spec, seed: n }, 1, n, 33), "gemm", spec);
    }
  });

  it("is expanded where decoding would take most of the time", async () => {
    expect(await kernelOf({ kind: "codebook", values: 17 })).toBe("f32_gemm_packed_4x4__cpu");
    expect(await kernelOf({ kind: "float16" })).toBe("f32_gemm_packed_4x4__cpu");
  });
});

describe("zeros", () => {
  const kernelOf = async (zeros: number, sparse: string): Promise<string> => {
    const code = {
      kind: "codebook",
      table: Float32Array.of(0, 1),
      indices: Uint8Array.from({ length: 32 * 40 }, (_, i) => (i % 100 < zeros ? 0 : 1)),
    } as const;
    const graph = codedDense({ spec: { kind: "codebook", values: 2 }, seed: 1 }, 16, 32, 40);
    const w = { ...graph.tensors.get("w")!, code, data: decode(code, [32, 40]) };
    const session = await cpuEngine.compile({ ...graph, tensors: new Map(graph.tensors).set("w", w) }, context, { sparse });
    return session.placement()[0]!.kernel;
  };

  it("win over the code where there are many, or where the target says so", async () => {
    expect(await kernelOf(90, "auto")).toBe("f32_spmm_csr_4x1__cpu");
    expect(await kernelOf(60, "auto")).toBe("f32_gemm_codebook4_4x4__cpu");
    expect(await kernelOf(60, "on")).toMatch(/^f32_spmm/);
    expect(await kernelOf(90, "off")).toBe("f32_gemm_codebook4_4x4__cpu");
  });
});

describe("memory", () => {
  it("is what the code takes, and the bias", async () => {
    for (const spec of SPECS) {
      const graph = codedDense({ spec, seed: 1 }, 5, 8, 64);
      expect((await run(graph)).weights).toBe(codeBytes(graph.tensors.get("w")!.code!) + 8 * 4);
    }
  });
});
