import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/errors.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { broadcastShapes } from "../../src/graph/infer.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { validateGraph } from "../../src/graph/validate.ts";

const conv = { strides: [2, 2], dilations: [1, 1], pads: [0, 0, 1, 1], groups: 1 } as const;

function builder(): GraphBuilder {
  const g = new GraphBuilder("test");
  g.input("x", "float32", [1, 9, 8, 3]);
  g.constant("w", "float32", [4, 3, 3, 3], new Float32Array(108));
  return g;
}

describe("shape inference", () => {
  it("convolution: floor((size + pads - dilated kernel) / stride) + 1", () => {
    const g = builder();
    const y = g.add("Conv2D", "conv", ["x", "w"], conv);
    expect(g.tensor(y).shape).toEqual([1, 4, 4, 4]);
  });

  it("transposed convolution is the inverse of convolution's shape", () => {
    const g = new GraphBuilder("t");
    g.input("x", "float32", [1, 4, 4, 3]);
    g.constant("w", "float32", [2, 3, 3, 3], new Float32Array(54));
    const y = g.add("ConvTranspose2D", "up", ["x", "w"], { ...conv, pads: [1, 1, 1, 1], outputPadding: [1, 0] });
    expect(g.tensor(y).shape).toEqual([1, 8, 7, 2]);
  });

  it("matrix product follows numpy for vectors and batches", () => {
    const g = new GraphBuilder("m");
    g.input("a", "float32", [2, 1, 3, 4]);
    g.input("b", "float32", [5, 4, 6]);
    g.input("v", "float32", [4]);
    const plain = { transposeA: false, transposeB: false };
    expect(g.tensor(g.add("MatMul", "ab", ["a", "b"], plain)).shape).toEqual([2, 5, 3, 6]);
    expect(g.tensor(g.add("MatMul", "av", ["a", "v"], plain)).shape).toEqual([2, 1, 3]);
    expect(g.tensor(g.add("MatMul", "vb", ["v", "b"], plain)).shape).toEqual([5, 6]);
  });

  it("broadcasts as numpy", () => {
    expect(broadcastShapes([2, 1, 3], [4, 1])).toEqual([2, 4, 3]);
    expect(broadcastShapes([], [4])).toEqual([4]);
    expect(broadcastShapes([2], [3])).toBeUndefined();
  });

  it("names node, op and shapes when they do not fit", () => {
    const g = builder();
    g.constant("bad", "float32", [4, 3, 3, 2], new Float32Array(72));
    expect(() => g.add("Conv2D", "stem", ["x", "bad"], conv)).toThrow(ShapeError);
    expect(() => g.add("Conv2D", "stem2", ["x", "bad"], conv)).toThrow(
      'node "stem2" (Conv2D): weights [4, 3, 3, 2] with 1 groups do not fit input [1, 9, 8, 3]',
    );
    expect(() => g.add("Reshape", "flat", ["x"], {}, { shape: [7] })).toThrow("[1, 9, 8, 3] has 216 elements, [7] has 7");
    expect(() => g.add("Slice", "cut", ["x"], { starts: [0, 0, 7, 0], steps: [1, 1, 1, 1] }, { shape: [1, 9, 2, 3] })).toThrow(
      "axis 2 reads from 7 to 8 of 8",
    );
  });
});

describe("validateGraph", () => {
  const good = (): Graph => {
    const g = builder();
    return g.finish([g.add("Conv2D", "conv", ["x", "w"], conv)]);
  };

  it("accepts what the builder builds", () => {
    expect(() => validateGraph(good())).not.toThrow();
  });

  it("rejects a cycle, a gap, a wrong shape and wrong constant data", () => {
    const graph = good();
    const node = graph.nodes[0];
    if (node === undefined) throw new Error("no node");
    expect(() => validateGraph({ ...graph, nodes: [{ ...node, inputs: ["conv", "w"] }] })).toThrow("cycle or a gap");
    expect(() => validateGraph({ ...graph, outputs: ["nothing"] })).toThrow('output "nothing" is written by no node');
    const wrong = new Map(graph.tensors).set("conv", { name: "conv", dtype: "float32", shape: [1, 5, 4, 4] });
    expect(() => validateGraph({ ...graph, tensors: wrong })).toThrow("expected [1, 4, 4, 4]");
    const short = new Map(graph.tensors).set("w", { name: "w", dtype: "float32", shape: [4, 3, 3, 3], data: new Float32Array(5) });
    expect(() => validateGraph({ ...graph, tensors: short })).toThrow("5 values for shape [4, 3, 3, 3], expected 108");
  });

  it("rejects scales that are not positive or of the wrong count", () => {
    const graph = good();
    const quant = (scales: readonly number[]): Graph => ({
      ...graph,
      tensors: new Map(graph.tensors).set("w", {
        name: "w",
        dtype: "int8",
        shape: [4, 3, 3, 3],
        data: new Int8Array(108),
        quant: { scales: Float32Array.from(scales), zeroPoints: new Int32Array(scales.length), axis: 0 },
      }),
    });
    expect(() => validateGraph(quant([1, 1, 1, 1]))).not.toThrow();
    expect(() => validateGraph(quant([1, 1]))).toThrow("2 scales, 2 zero points, expected 4");
    expect(() => validateGraph(quant([1, 0, 1, 1]))).toThrow("not a positive finite number");
  });
});
