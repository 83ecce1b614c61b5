/** The catalogue and the engine name the same kernels: each row runs in some op case, and nothing runs without a row. */
import { beforeAll, describe, expect, it } from "vitest";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { CPU_KERNELS } from "../../../src/kernels/cpu.ts";
import { isKernelName } from "../../../src/kernels/names.ts";
import { dynamicGraphs } from "../dynamic.ts";
import { allCases, prepareCase } from "../vectors.ts";
import { cpuCases } from "./cases.ts";
import { context, floatConv } from "./graphs.ts";

/** Kernel → ops that it ran for. */
const used = new Map<string, Set<string>>();

beforeAll(async () => {
  const dynamic = dynamicGraphs().map(([, graph]) => graph);
  const graphs = [...[...allCases(), ...cpuCases()].map((opCase) => prepareCase(opCase).graph), ...dynamic, floatConv()];
  for (const graph of graphs) {
    const session = await cpuEngine.compile(graph, context, {});
    for (const { kernel, op } of session.placement()) used.set(kernel, (used.get(kernel) ?? new Set()).add(op));
    session.dispose();
  }
});

describe("catalogue of the cpu kernels", () => {
  it("has well-formed, unique names", () => {
    const names = CPU_KERNELS.map((row) => row.name);
    expect(names.filter((name) => !isKernelName(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  it("has a row for every kernel that runs, with its ops", () => {
    const missing = [...used].flatMap(([kernel, ops]) => {
      const row = CPU_KERNELS.find((r) => r.name === kernel);
      return [...ops].filter((op) => !row?.ops.includes(op)).map((op) => `${kernel} for ${op}`);
    });
    expect(missing).toEqual([]);
  });

  it("has no row that no case reaches", () => {
    expect(CPU_KERNELS.map((row) => row.name).filter((name) => !used.has(name))).toEqual([]);
  });

  it("rejects names outside the grammar", () => {
    for (const name of ["f32_gemm", "gemm__cpu", "f32__cpu", "f32_Gemm__cpu", "f32_gemm__gpu"]) expect(isKernelName(name)).toBe(false);
  });
});
