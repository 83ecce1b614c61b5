import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planArena } from "../../src/engines/plan.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/ir.ts";

/** A chain of unary nodes over [1, size] tensors, with extra reads of earlier results (residuals) by `skips`. */
function chain(sizes: readonly number[], skips: readonly number[]): Graph {
  const g = new GraphBuilder("chain");
  const width = 16;
  let x = g.input("x", "float32", [1, width]);
  const history = [x];
  sizes.forEach((rows, i) => {
    const skip = skips[i] ?? 0;
    const other = history[Math.max(0, history.length - 1 - skip)] ?? x;
    const sum = g.add("Binary", `add${i}`, [x, other], { fn: "add" });
    x = g.add("Expand", `expand${i}`, [sum], {}, { shape: [rows, width] });
    x = g.add("Reduce", `mean${i}`, [x], { fn: "mean", axes: [0], keepDims: true });
    history.push(x);
  });
  return g.finish([x]);
}

function lifetimes(graph: Graph): ReadonlyMap<string, readonly [number, number]> {
  const spans = new Map<string, [number, number]>();
  for (const input of graph.inputs) spans.set(input, [-1, -1]);
  graph.nodes.forEach((node, step) => {
    for (const output of node.outputs) spans.set(output, [step, step]);
    for (const input of node.inputs) {
      const span = spans.get(input);
      if (span !== undefined) span[1] = step;
    }
  });
  for (const output of graph.outputs) {
    const span = spans.get(output);
    if (span !== undefined) span[1] = graph.nodes.length;
  }
  return spans;
}

describe("planArena", () => {
  it("never lets two tensors that live at once share a byte", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(6), { maxLength: 12 }),
        (sizes, skips) => {
          const graph = chain(sizes, skips);
          const plan = planArena(graph, 64);
          const spans = [...lifetimes(graph)];
          for (const [a, [a0, a1]] of spans) {
            for (const [b, [b0, b1]] of spans) {
              if (a >= b || a0 > b1 || b0 > a1) continue;
              const bytes = (name: string): number => graph.tensors.get(name)?.shape.reduce((x, y) => x * y, 4) ?? 0;
              const [oa, ob] = [plan.offsets.get(a) ?? -1, plan.offsets.get(b) ?? -1];
              expect(oa + bytes(a) <= ob || ob + bytes(b) <= oa).toBe(true);
            }
          }
          expect(plan.peakBytes).toBeGreaterThanOrEqual(plan.lowerBoundBytes);
        },
      ),
    );
  });

  it("reuses dead bytes: a long chain of equal tensors needs two", () => {
    const g = new GraphBuilder("relu chain");
    let x = g.input("x", "float32", [1, 64]);
    for (let i = 0; i < 10; i++) x = g.add("Unary", `relu${i}`, [x], { fn: "relu" });
    const plan = planArena(g.finish([x]), 64);
    expect(plan.peakBytes).toBe(2 * 64 * 4);
    expect(plan.lowerBoundBytes).toBe(plan.peakBytes);
  });

  it("aliases reshapes, and keeps their source alive while the alias is read", () => {
    const g = new GraphBuilder("reshape");
    const x = g.input("x", "float32", [2, 32]);
    const a = g.add("Unary", "a", [x], { fn: "relu" });
    const r = g.add("Reshape", "r", [a], {}, { shape: [64] });
    const b = g.add("Unary", "b", [r], { fn: "abs" });
    const c = g.add("Binary", "c", [b, r], { fn: "add" });
    const plan = planArena(g.finish([c]), 64);
    expect(plan.aliasOf.get(r)).toBe(a);
    expect(plan.offsets.get(r)).toBe(plan.offsets.get(a));
    expect(plan.offsets.get(b)).not.toBe(plan.offsets.get(a));
    expect(plan.offsets.get(c)).not.toBe(plan.offsets.get(a));
  });
});
