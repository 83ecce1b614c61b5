/** The comparison and its tolerances: hand-checked values, and proofs that it can fail. */
import { describe, expect, it } from "vitest";
import { cpuEngine } from "../../src/engines/cpu/index.ts";
import { EPSILON_32, compareOutputs, graphTolerance, nodeTolerance, roundings } from "../../src/engines/tolerance.ts";
import { createArray } from "../../src/graph/dtype.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { context } from "./cpu/graphs.ts";
import { allCases, prepareCase } from "./vectors.ts";

describe("compareOutputs", () => {
  it("finds equality exact, zeros of either sign and NaN included", () => {
    const result = compareOutputs([Float32Array.of(1, 0, NaN, Infinity)], [Float32Array.of(1, -0, NaN, Infinity)], 0);
    expect(result).toMatchObject({ exact: true, pass: true, maxAbsError: 0, message: "" });
  });

  it("names the worst element", () => {
    const result = compareOutputs([Float32Array.of(1, 2), Float32Array.of(3, 4)], [Float32Array.of(1, 2.25), Float32Array.of(3.5, 4)], 0.3);
    expect(result).toMatchObject({ exact: false, pass: false, maxAbsError: 0.5, worstOutput: 1, worstIndex: 0, tolerance: 0.3 });
    expect(result.message).toMatch(/output 1, element 0: got 3.5, expected 3/);
  });

  it("passes at the tolerance and fails beyond it", () => {
    expect(compareOutputs([Float32Array.of(8)], [Float32Array.of(8.5)], 0.5).pass).toBe(true);
    expect(compareOutputs([Float32Array.of(8)], [Float32Array.of(8.75)], 0.5).pass).toBe(false);
  });

  it("takes one tolerance an output", () => {
    const reference = [Float32Array.of(10), Float32Array.of(10)];
    const actual = [Float32Array.of(10.5), Float32Array.of(10.5)];
    expect(compareOutputs(reference, actual, [1, 0.1])).toMatchObject({ pass: false, worstOutput: 1 });
    expect(compareOutputs(reference, actual, [1, 1]).pass).toBe(true);
  });

  it("fails when the tolerance reaches the range of the values", () => {
    expect(compareOutputs([Float32Array.of(1, -2)], [Float32Array.of(1, -1)], 3)).toMatchObject({ pass: false });
    expect(compareOutputs([Float32Array.of(1, -2)], [Float32Array.of(1, -1)], 2.9).pass).toBe(true);
  });

  it("allows integers no error at all", () => {
    expect(compareOutputs([Int8Array.of(5)], [Int8Array.of(6)], 10)).toMatchObject({ pass: false, tolerance: 0 });
  });

  it("fails on NaN or infinity on one side only", () => {
    for (const bad of [NaN, Infinity]) {
      expect(compareOutputs([Float32Array.of(1, 2)], [Float32Array.of(1, bad)], 0.5)).toMatchObject({ pass: false, maxAbsError: Infinity });
      expect(compareOutputs([Float32Array.of(1, bad)], [Float32Array.of(1, 2)], 0.5)).toMatchObject({ pass: false });
    }
  });
});

/** x [1,8] → Dense 8→4 with bias → Softmax. */
function classifier(): Graph {
  const b = new GraphBuilder("classifier");
  const x = b.input("x", "float32", [1, 8]);
  const w = b.constant("w", "float32", [4, 8], new Float32Array(32).fill(0.5));
  const logits = b.add("Dense", "fc", [x, w, b.constant("b", "float32", [4], new Float32Array(4))], {});
  const unused = b.add("Unary", "aside", [x], { fn: "exp" });
  return b.finish([b.add("Softmax", "softmax", [logits], { axis: 1, beta: 1 }), unused]);
}

describe("derived tolerances", () => {
  it("count the roundings of each op", () => {
    const { nodes } = classifier();
    expect(nodes.map((node) => roundings(classifier(), node))).toEqual([9, 32, 4 + 32]);
  });

  it("of a graph sum over the nodes that an output depends on", () => {
    const tolerances = graphTolerance(classifier(), [Float32Array.of(0.5, 0.25), Float32Array.of(2)]);
    expect(tolerances).toEqual([EPSILON_32 * (9 + 36) * 0.5, EPSILON_32 * 32 * 2]);
  });

  it("of one product: max |product| × (K × eps + eps)", () => {
    const graph = classifier();
    const tolerance = nodeTolerance(graph, graph.nodes[0]!, [Float32Array.of(-3, 1), Float32Array.of(0.5)], Float32Array.of(1));
    expect(tolerance).toBe(1.5 * (9 * EPSILON_32 + EPSILON_32));
  });

  it("are zero for integers and for ops that only move", () => {
    const b = new GraphBuilder("moves");
    const x = b.input("x", "float32", [2, 2]);
    const graph = b.finish([b.add("Transpose", "t", [x], { perm: [1, 0] })]);
    expect(graphTolerance(graph, [Float32Array.of(1, 2, 3, 4)])).toEqual([0]);
  });
});

describe("layers that quantize their input at run time", () => {
  const chain = (first: "Dense" | "Softmax"): Graph => {
    const b = new GraphBuilder("chain");
    const x = b.input("x", "float32", [1, 4]);
    const quant = { scales: Float32Array.of(0.1), zeroPoints: Int32Array.of(0) };
    const layer = (name: string, input: string): string =>
      b.add("Dense", name, [input, b.constant(`${name}.w`, "int8", [4, 4], new Int8Array(16).fill(3), { quant })], { dynamic: true });
    const before = first === "Dense" ? layer("first", x) : b.add("Softmax", "first", [x], { axis: 1, beta: 1 });
    return b.finish([layer("third", layer("second", before))]);
  };
  const reference = [Float32Array.of(1, 2, 3, 4)];

  it("leave no room where everything before them is exact", () => {
    expect(graphTolerance(chain("Dense"), reference)).toEqual([0]);
  });

  it("may be a step of 255 off, each, behind something that rounds", () => {
    const [tolerance] = graphTolerance(chain("Softmax"), reference);
    expect(tolerance).toBeCloseTo(4 * (2 / 255 + EPSILON_32 * (4 + 32)), 12);
  });
});

describe("the op cases", () => {
  it("fail on every case when one element is wrong", async () => {
    const blind: string[] = [];
    for (const opCase of allCases().filter((_, i) => i % 5 === 0)) {
      const prepared = prepareCase(opCase);
      const session = await cpuEngine.compile(prepared.graph, context, {});
      const [actual] = await session.run(prepared.inputs);
      const corrupt = createArray(opCase.output.dtype, actual!.length);
      corrupt.set(actual!);
      const at = Math.floor(corrupt.length / 2);
      // The smallest error worth finding: one step of an integer, 1 % of the largest float.
      const integer = !opCase.output.dtype.startsWith("float");
      const size = Math.max(1e-3, ...Array.from(corrupt, Math.abs));
      corrupt[at] = integer ? corrupt[at]! + (corrupt[at]! > 0 ? -1 : 1) : corrupt[at]! + 0.01 * size;
      if (compareOutputs([prepared.expected], [corrupt], prepared.tolerance).pass) blind.push(prepared.title);
    }
    expect(blind).toEqual([]);
  });
});
