import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { checkParity, sqnrDb } from "../../src/harness/parity.ts";

function floatGraph(): Graph {
  const builder = new GraphBuilder("float");
  const x = builder.input("x", "float32", [1, 4]);
  const w = builder.constant("w", "float32", [2, 4], new Float32Array(8).fill(0.5));
  return builder.finish([builder.add("Dense", "dense", [x, w], {})]);
}

function integerGraph(): Graph {
  const builder = new GraphBuilder("integer");
  const quant = { scales: Float32Array.of(0.5), zeroPoints: Int32Array.of(1) };
  const x = builder.input("x", "int8", [1, 2], quant);
  return builder.finish([builder.add("Reshape", "reshape", [x], {}, { shape: [2], quant })]);
}

describe("checkParity", () => {
  const reference = [[Float32Array.of(1, 2)], [Float32Array.of(3, -4)]];

  it("passes equal outputs as exact", () => {
    expect(checkParity(floatGraph(), reference, reference).parity).toMatchObject({
      against: "cpu",
      exact: true,
      maxAbsError: 0,
      pass: true,
    });
  });

  it("passes floats within the tolerance that the graph allows, and reports the error", () => {
    const near = [[Float32Array.of(1, 2 + 2 ** -22)], [Float32Array.of(3, -4)]];
    const { parity } = checkParity(floatGraph(), reference, near);
    expect(parity).toMatchObject({ exact: false, pass: true, maxAbsError: 2 ** -22 });
    expect(parity.tolerance).toBeGreaterThan(2 ** -22);
    expect(parity.tolerance).toBeLessThan(1e-5);
  });

  it("fails on one wrong element of one sample and names it", () => {
    const wrong = [[Float32Array.of(1, 2)], [Float32Array.of(3, -4.25)]];
    const { parity, message } = checkParity(floatGraph(), reference, wrong);
    expect(parity).toMatchObject({ exact: false, pass: false });
    expect(message).toMatch(/output 0, element 1: got -4\.25, expected -4/);
  });

  it("fails on NaN without an error that is no number", () => {
    const { parity } = checkParity(floatGraph(), reference, [[Float32Array.of(1, NaN)], [Float32Array.of(3, -4)]]);
    expect(parity.pass).toBe(false);
    expect(parity.maxAbsError).toBeUndefined();
  });

  it("allows integers no difference at all", () => {
    const graph = integerGraph();
    expect(checkParity(graph, [[Int8Array.of(1, 2)]], [[Int8Array.of(1, 2)]]).parity.pass).toBe(true);
    expect(checkParity(graph, [[Int8Array.of(1, 2)]], [[Int8Array.of(1, 3)]]).parity).toMatchObject({
      pass: false,
      tolerance: 0,
      maxAbsError: 1,
    });
  });
});

describe("sqnrDb", () => {
  it("is 10 log10 of signal power over noise power, over all samples", () => {
    const graph = floatGraph();
    // Signal 9 + 16 + 0 + 25 = 50, noise 0.25 + 0.25 = 0.5: a ratio of 100.
    const noise = sqnrDb(graph, [[Float32Array.of(3, 4)], [Float32Array.of(0, 5)]], graph, [
      [Float32Array.of(3.5, 4)],
      [Float32Array.of(0, 4.5)],
    ]);
    expect(noise).toBeCloseTo(20, 10);
  });

  it("compares quantized outputs by their real values", () => {
    // Codes 3 and 5 are 1 and 2.
    expect(sqnrDb(floatGraph(), [[Float32Array.of(1, 2)]], integerGraph(), [[Int8Array.of(3, 5)]])).toBeUndefined();
    expect(sqnrDb(floatGraph(), [[Float32Array.of(1, 3)]], integerGraph(), [[Int8Array.of(3, 5)]])).toBeCloseTo(10, 10);
  });

  it("is undefined without noise, signal or the same size", () => {
    const graph = floatGraph();
    expect(sqnrDb(graph, [[Float32Array.of(0, 0)]], graph, [[Float32Array.of(1, 0)]])).toBeUndefined();
    expect(sqnrDb(graph, [[Float32Array.of(1, 2)]], graph, [[Float32Array.of(1)]])).toBeUndefined();
  });
});
