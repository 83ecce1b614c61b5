/** Graphs as files: whatever goes in comes out, and damage is named, never read past. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/errors.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { DTYPES, createArray } from "../../src/graph/dtype.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { deserializeGraph, serializeGraph } from "../../src/graph/serialize.ts";

function sample(): Graph {
  const builder = new GraphBuilder("sämple");
  const quant = { scales: Float32Array.of(0.5, 0.25), zeroPoints: Int32Array.of(0, 0), axis: 0 };
  const x = builder.input("x", "int8", [1, 3], { scales: Float32Array.of(0.1), zeroPoints: Int32Array.of(-5) });
  const w = builder.constant("w", "int8", [2, 3], Int8Array.of(1, -2, 3, -128, 127, 0), {
    quant,
    sparsity: { pattern: "block", rows: 1, cols: 8 },
  });
  const y = builder.add(
    "Dense",
    "dense",
    [x, w],
    { activation: { kind: "clamp", min: 0, max: Infinity } },
    {
      dtype: "int8",
      quant: { scales: Float32Array.of(0.3), zeroPoints: Int32Array.of(7) },
    },
  );
  return builder.finish([y]);
}

describe("serializeGraph", () => {
  it("round-trips a graph with everything in it", () => {
    const graph = sample();
    expect(deserializeGraph(serializeGraph(graph), "test")).toEqual(graph);
  });

  it("round-trips constants of every type, at odd lengths", () => {
    for (const dtype of DTYPES) {
      for (const length of [0, 1, 3, 8, 13]) {
        const data = createArray(dtype, length).map((_, i) => (i * 37) % 101);
        const tensors = new Map([["c", { name: "c", dtype, shape: [length], data }]]);
        const graph: Graph = { name: dtype, inputs: [], outputs: [], tensors, nodes: [] };
        expect(deserializeGraph(serializeGraph(graph), "test")).toEqual(graph);
      }
    }
  });

  it("keeps numbers that JSON lacks", () => {
    const values = [Infinity, -Infinity, NaN, -0, 0, 1.5];
    const nodes = values.map((value, i) => ({
      name: `n${i}`,
      op: "Pad",
      inputs: [],
      outputs: [],
      attrs: { before: [], after: [], mode: "constant", value },
    }));
    const graph = { name: "g", inputs: [], outputs: [], tensors: new Map(), nodes } as unknown as Graph;
    const back = deserializeGraph(serializeGraph(graph), "test").nodes.map((node) => (node.attrs as { readonly value: number }).value);
    back.forEach((value, i) => expect(Object.is(value, values[i])).toBe(true));
  });

  it("reads from a view into a larger buffer, as Node's file reading gives", () => {
    const graph = sample();
    const bytes = serializeGraph(graph);
    const pool = Buffer.alloc(bytes.length + 100, 0xaa);
    pool.set(bytes, 13);
    expect(deserializeGraph(pool.subarray(13, 13 + bytes.length), "test")).toEqual(graph);
  });

  it("names the file for every truncation", () => {
    const bytes = serializeGraph(sample());
    for (let length = 0; length < bytes.length; length++) {
      expect(() => deserializeGraph(bytes.subarray(0, length), "cut.graph")).toThrow(/^cut\.graph: /);
    }
  });

  it("survives mutation: a graph or a FormatError, nothing else", () => {
    const bytes = serializeGraph(sample());
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }), (edits) => {
        const damaged = bytes.slice();
        for (const [at, value] of edits) damaged[at] = value;
        try {
          deserializeGraph(damaged, "damaged");
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 7, numRuns: 2000 },
    );
  });
});
