import { describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { ShapeError } from "../../src/errors.ts";
import type { DType, TypedArray } from "../../src/graph/dtype.ts";
import type { Graph, Tensor } from "../../src/graph/ir.ts";
import { classesOf, feederFor, largestIndex } from "../../src/data/feed.ts";

function graphWith(input: Partial<Tensor>, output: Partial<Tensor> = {}): Graph {
  const x: Tensor = { name: "x", dtype: "float32", shape: [1, 4], ...input };
  const y: Tensor = { name: "y", dtype: "float32", shape: [1, 3], ...output };
  return {
    name: "g",
    inputs: ["x"],
    outputs: ["y"],
    tensors: new Map([
      ["x", x],
      ["y", y],
    ]),
    nodes: [],
  };
}

function dataset(dtype: DType, shape: readonly number[], samples: readonly TypedArray[]): Dataset {
  return {
    name: "d",
    task: "classification",
    input: { dtype, shape },
    classes: 3,
    count: samples.length,
    labels: samples.map(() => 0),
    sample: (i) => samples[i]!,
  };
}

const floats = dataset("float32", [4], [Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6, 7, 8), Float32Array.of(9, 10, 11, 12)]);

describe("feederFor", () => {
  it("passes samples of the model's type through", () => {
    const feeder = feederFor(graphWith({}), floats);
    expect(feeder.batch).toBe(1);
    expect(feeder.inputs([1])).toEqual([Float32Array.of(5, 6, 7, 8)]);
  });

  it("fills a batch, and a short last one with its first sample", () => {
    const feeder = feederFor(graphWith({ shape: [2, 4] }), floats);
    expect(feeder.batch).toBe(2);
    expect(feeder.inputs([0, 2])).toEqual([Float32Array.of(1, 2, 3, 4, 9, 10, 11, 12)]);
    expect(feeder.inputs([2])).toEqual([Float32Array.of(9, 10, 11, 12, 9, 10, 11, 12)]);
  });

  it("quantizes floats for a model that takes integers, half to even and clamped", () => {
    const quant = { scales: Float32Array.of(0.5), zeroPoints: Int32Array.of(-3) };
    const data = dataset("float32", [4], [Float32Array.of(0.25, 0.75, -1, 1000)]);
    expect(feederFor(graphWith({ dtype: "int8", quant }), data).inputs([0])).toEqual([Int8Array.of(-3, -1, -5, 127)]);
  });

  it("lets dimensions of 1 differ, nothing else", () => {
    expect(feederFor(graphWith({ shape: [1, 1, 2, 2] }), dataset("float32", [2, 2, 1], [])).batch).toBe(1);
    const image = dataset("float32", [4, 6, 3], []);
    expect(() => feederFor(graphWith({ shape: [1, 3, 4, 6] }), image)).toThrow(
      /samples of shape \[4, 6, 3\] do not fit input "x" of shape \[1, 3, 4, 6\]/,
    );
    expect(() => feederFor(graphWith({ shape: [1, 5] }), floats)).toThrow(ShapeError);
  });

  it("refuses types that it would have to guess about", () => {
    expect(() => feederFor(graphWith({}), dataset("uint8", [4], []))).toThrow(/samples are uint8, but input "x" takes float32/);
    expect(() => feederFor(graphWith({ dtype: "int8" }), floats)).toThrow(ShapeError);
  });

  it("refuses models with several inputs", () => {
    const graph = graphWith({});
    expect(() => feederFor({ ...graph, inputs: ["x", "y"] }, floats)).toThrow(/feeds one input, but model g has 2/);
  });
});

describe("classesOf", () => {
  it("counts the scores of one sample and compares them with the dataset", () => {
    expect(classesOf(graphWith({}), floats, 1)).toBe(3);
    expect(classesOf(graphWith({}, { shape: [2, 3] }), floats, 2)).toBe(3);
    expect(() => classesOf(graphWith({}, { shape: [1, 10] }), floats, 1)).toThrow(
      /has 3 classes, but output "y" of model g has shape \[1, 10\]/,
    );
  });
});

describe("largestIndex", () => {
  it("takes the first of equals, within its part", () => {
    expect(largestIndex(Int8Array.of(9, 1, 5, 5, 2, 9), 1, 4)).toBe(1);
    expect(largestIndex(Float32Array.of(-3, -1, -2), 0, 3)).toBe(1);
  });

  it("ignores NaN behind a number", () => {
    expect(largestIndex(Float32Array.of(1, NaN, 2), 0, 3)).toBe(2);
  });
});
