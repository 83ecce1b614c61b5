/** Runs graphs on the CPU engine in tests, and compares two graphs on the same inputs. */
import { expect } from "vitest";
import { cpuEngine } from "../../src/engines/cpu/index.ts";
import { createArray, elementCount, isFloat, type TypedArray } from "../../src/graph/dtype.ts";
import { tensorOf } from "../../src/graph/access.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { validateGraph } from "../../src/graph/validate.ts";

export async function runGraph(graph: Graph, inputs: readonly TypedArray[]): Promise<readonly TypedArray[]> {
  const context = { readAsset: (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(0)), now: (): number => 0 };
  const session = await cpuEngine.compile(graph, context, {});
  try {
    return await session.run(inputs);
  } finally {
    session.dispose();
  }
}

/** 32-bit linear congruence; uniform in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

/** Random inputs for a graph: floats in -4..4, bytes over their range, other integers 0..1. */
export function randomInputs(graph: Graph, random: () => number): readonly TypedArray[] {
  return graph.inputs.map((name) => {
    const { dtype, shape } = tensorOf(graph, name);
    const data = createArray(dtype, elementCount(shape));
    for (let i = 0; i < data.length; i++) {
      if (isFloat(dtype)) data[i] = random() * 8 - 4;
      else if (dtype === "int8") data[i] = Math.floor(random() * 256) - 128;
      else if (dtype === "uint8") data[i] = Math.floor(random() * 256);
      else data[i] = random() < 0.5 ? 0 : 1;
    }
    return data;
  });
}

export interface Closeness {
  /** Largest difference of two floats, as a share of the largest magnitude of that output. */
  readonly relative?: number;
  /** Largest difference of two integers. */
  readonly lsb?: number;
}

/** The largest differences between two runs' outputs; what a test asserts on. */
export function differences(a: readonly TypedArray[], b: readonly TypedArray[]): { float: number; lsb: number } {
  expect(a.map((x) => x.length)).toEqual(b.map((x) => x.length));
  let [float, lsb] = [0, 0];
  a.forEach((x, k) => {
    const y = b[k]!;
    expect(x.constructor).toBe(y.constructor);
    let largest = 1e-6;
    for (const v of x) largest = Math.max(largest, Math.abs(v));
    x.forEach((v, i) => {
      const d = Math.abs(v - y[i]!);
      if (x instanceof Float32Array || x instanceof Float64Array) float = Math.max(float, Number.isNaN(d) ? Infinity : d / largest);
      else lsb = Math.max(lsb, d);
    });
  });
  return { float, lsb };
}

/**
 * Asserts that two graphs have one interface and give the same results on seeded random inputs.
 * @param within floats: relative to the output's largest magnitude (default: exact); integers: in steps (default: exact)
 */
export async function expectSameResults(before: Graph, after: Graph, seed: number, within: Closeness = {}): Promise<void> {
  validateGraph(after);
  expect(after.inputs).toEqual(before.inputs);
  expect(after.outputs).toEqual(before.outputs);
  for (const name of [...before.inputs, ...before.outputs]) {
    const [a, b] = [tensorOf(before, name), tensorOf(after, name)];
    expect({ dtype: b.dtype, shape: b.shape, quant: b.quant }).toEqual({ dtype: a.dtype, shape: a.shape, quant: a.quant });
  }
  const inputs = randomInputs(before, seededRandom(seed));
  const { float, lsb } = differences(await runGraph(before, inputs), await runGraph(after, inputs));
  expect(float, `seed ${seed}: float difference`).toBeLessThanOrEqual(within.relative ?? 0);
  expect(lsb, `seed ${seed}: integer difference`).toBeLessThanOrEqual(within.lsb ?? 0);
}

/** Ops of the graph in order. */
export function opsOf(graph: Graph): readonly string[] {
  return graph.nodes.map((node) => node.op);
}
