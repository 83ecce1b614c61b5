/** Polynomial functions against double precision, over their whole range, in units in the last place. */
import { describe, expect, it } from "vitest";
import { unaryValue } from "../../../src/graph/numerics.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import type { Graph, UnaryFn } from "../../../src/graph/ir.ts";
import { context } from "./context.ts";

async function evaluate(fn: UnaryFn, x: Float32Array): Promise<Float32Array> {
  const graph: Graph = {
    name: fn,
    inputs: ["x"],
    outputs: ["y"],
    tensors: new Map([
      ["x", { name: "x", dtype: "float32", shape: [x.length] }],
      ["y", { name: "y", dtype: "float32", shape: [x.length] }],
    ]),
    nodes: [{ name: "f", op: "Unary", inputs: ["x"], outputs: ["y"], attrs: { fn } }],
  };
  const session = await wasmEngine.compile(graph, context, {});
  expect(session.placement()[0]?.engine).toBe("wasm");
  const [y] = await session.run([x]);
  return y as Float32Array;
}

/** Distance to the exact value in units of its last float32 place; denormals count in units of the smallest. */
function ulps(got: number, exact: number): number {
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(exact))), -126);
  return Math.abs(got - exact) / 2 ** (exponent - 23);
}

function worst(fn: UnaryFn, x: Float32Array, y: Float32Array): { readonly ulps: number; readonly at: number } {
  let result = { ulps: 0, at: NaN };
  x.forEach((v, i) => {
    const exact = unaryValue({ fn }, v);
    if (exact === 0 ? y[i] === 0 : !Number.isFinite(exact)) return;
    const error = ulps(y[i]!, exact);
    if (!(error <= result.ulps)) result = { ulps: error, at: v };
  });
  return result;
}

const spread = (lo: number, hi: number, n: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => lo + ((hi - lo) * i) / (n - 1));

describe("float functions", () => {
  const CASES: readonly (readonly [UnaryFn, Float32Array, number])[] = [
    ["exp", spread(-87, 88.7, 40001), 1],
    ["exp", spread(-103.9, -87, 4001), 1],
    ["sigmoid", spread(-80, 90, 40001), 2],
    ["tanh", spread(-12, 12, 40001), 2.5],
    ["tanh", spread(-1e-3, 1e-3, 2001), 2],
    ["log", spread(1e-4, 20, 40001), 2],
    ["log", Float32Array.from({ length: 250 }, (_, i) => 2 ** (i - 125) * 1.3), 1],
    ["log", Float32Array.of(1e-40, 5e-45, 3e38), 1],
    ["sqrt", spread(0, 1000, 4001), 0.5],
  ];
  for (const [fn, x, limit] of CASES) {
    it(`${fn} on [${x[0]!}, ${x[x.length - 1]!}] within ${limit} ulp`, async () => {
      const { ulps: error, at } = worst(fn, x, await evaluate(fn, x));
      expect(error, `worst at ${at}`).toBeLessThanOrEqual(limit);
    });
  }

  it("limits and special values", async () => {
    expect([...(await evaluate("exp", Float32Array.of(-Infinity, Infinity, 1000, -1000, 0)))]).toEqual([0, Infinity, Infinity, 0, 1]);
    expect([...(await evaluate("sigmoid", Float32Array.of(-Infinity, Infinity, 0)))]).toEqual([0, 1, 0.5]);
    expect([...(await evaluate("tanh", Float32Array.of(-Infinity, Infinity, 0, -50)))]).toEqual([-1, 1, 0, -1]);
    expect([...(await evaluate("log", Float32Array.of(0, 1, Infinity, -1)))]).toEqual([-Infinity, 0, Infinity, NaN]);
    for (const fn of ["exp", "sigmoid", "tanh", "log", "relu", "leakyrelu"] as const) {
      expect([...(await evaluate(fn, Float32Array.of(NaN)))], fn).toEqual([NaN]);
    }
  });

  it("the measure itself sees one wrong bit", () => {
    const x = Float32Array.of(1);
    expect(worst("exp", x, Float32Array.of(Math.fround(Math.E))).ulps).toBeLessThan(0.51);
    expect(worst("exp", x, Float32Array.of(Math.fround(Math.E) + 2 ** -22)).ulps).toBeGreaterThan(0.5);
    expect(worst("exp", x, Float32Array.of(NaN)).ulps).toBeNaN();
  });
});
