/** What the importer says about files and shapes that it cannot take. */
import { describe, expect, it } from "vitest";
import { FormatError, ShapeError, UnsupportedError, UsageError } from "../../../src/errors.ts";
import { encodeModel } from "../../../src/formats/onnx/proto.ts";
import { tensorOf } from "../../../src/graph/access.ts";
import { importTest, int64s, onnxFile, type Dim, type TestModel } from "./model.ts";

const relu = (dims: readonly Dim[] | undefined, more: Partial<TestModel> = {}): Uint8Array =>
  onnxFile({ inputs: { x: dims }, nodes: [{ op: "Relu", inputs: ["x"], outputs: ["y"] }], outputs: ["y"], ...more });

const shapes = (entries: Readonly<Record<string, readonly number[]>>): { shapes: ReadonlyMap<string, readonly number[]> } => ({
  shapes: new Map(Object.entries(entries)),
});

describe("dynamic dimensions", () => {
  it("a free first dimension is the batch and becomes 1", () => {
    for (const batch of ["", "batch", "N"]) {
      const graph = importTest(relu([batch, 3, 4]));
      expect(tensorOf(graph, "x").shape).toEqual([1, 3, 4]);
    }
    expect(tensorOf(importTest(relu([-1, 5])), "x").shape).toEqual([1, 5]);
  });

  it("other free dimensions name the input, the dimensions and the option to add", () => {
    const attempt = (): unknown => importTest(relu(["batch", 3, "height", ""]));
    expect(attempt).toThrow(FormatError);
    expect(attempt).toThrow('test.onnx: input "x": shape [batch, 3, height, ?] has free dimensions, expected sizes');
    try {
      attempt();
    } catch (error) {
      expect((error as FormatError).remedy).toBe('Add --shape x=1,3,?,? with numbers for "?"');
    }
  });

  it("--shape binds them, symbols reach other inputs", () => {
    expect(tensorOf(importTest(relu(["b", 3, "h"]), shapes({ x: [2, 3, 7] })), "x").shape).toEqual([2, 3, 7]);
    const two = onnxFile({
      inputs: { a: ["n", "k"], b: ["n", "k"] },
      nodes: [{ op: "Add", inputs: ["a", "b"], outputs: ["y"] }],
      outputs: ["y"],
    });
    const graph = importTest(two, shapes({ a: [4, 5] }));
    expect(tensorOf(graph, "b").shape).toEqual([4, 5]);
    expect(() => importTest(two, shapes({ a: [4, 5], b: [4, 6] }))).toThrow(ShapeError);
  });

  it("--shape must agree with the file and name an input", () => {
    expect(() => importTest(relu(["b", 3]), shapes({ x: [2, 4] }))).toThrow('input "x": --shape gives [2, 4], expected [b, 3]');
    expect(() => importTest(relu(["b", 3]), shapes({ x: [2, 3, 1] }))).toThrow(ShapeError);
    expect(() => importTest(relu(["b", 3]), shapes({ z: [2, 3] }))).toThrow(UsageError);
    expect(() => importTest(relu(["b", 3]), shapes({ z: [2, 3] }))).toThrow('--shape names input "z", expected one of "x"');
  });

  it("an input without any shape needs one", () => {
    expect(() => importTest(relu(undefined))).toThrow('input "x": the file states no shape');
    expect(tensorOf(importTest(relu(undefined), shapes({ x: [2] })), "y").shape).toEqual([2]);
  });
});

describe("graphs that contradict themselves", () => {
  const graphOf = (nodes: TestModel["nodes"], more: Partial<TestModel> = {}): Uint8Array =>
    onnxFile({ inputs: { x: [2] }, nodes, outputs: ["y"], ...more });

  it("a cycle", () => {
    const bytes = graphOf([
      { op: "Add", name: "first", inputs: ["x", "b"], outputs: ["a"] },
      { op: "Relu", name: "second", inputs: ["a"], outputs: ["b"] },
      { op: "Relu", name: "last", inputs: ["b"], outputs: ["y"] },
    ]);
    expect(() => importTest(bytes)).toThrow(FormatError);
    expect(() => importTest(bytes)).toThrow(/cycle/);
  });

  it("an input that nothing writes", () => {
    expect(() => importTest(graphOf([{ op: "Add", name: "sum", inputs: ["x", "ghost"], outputs: ["y"] }]))).toThrow(
      'node "sum" (Add): input "ghost" is not a graph input, an initializer or the output of another node',
    );
  });

  it("a name that is written twice", () => {
    const bytes = graphOf([
      { op: "Relu", name: "a", inputs: ["x"], outputs: ["y"] },
      { op: "Abs", name: "b", inputs: ["x"], outputs: ["y"] },
    ]);
    expect(() => importTest(bytes)).toThrow('node "b" (Abs) writes "y", which node "a" (Relu) writes too');
  });

  it("an output that no node writes, no outputs, no graph", () => {
    expect(() => importTest(graphOf([{ op: "Relu", inputs: ["x"], outputs: ["z"] }]))).toThrow('output "y" is written by no node');
    expect(() => importTest(graphOf([{ op: "Relu", inputs: ["x"], outputs: ["y"] }], { outputs: [] }))).toThrow("no outputs");
    expect(() => importTest(encodeModel({ irVersion: 8 }))).toThrow("no graph");
  });

  it("nodes in any order, and nodes that nothing needs", () => {
    const bytes = graphOf([
      { op: "Neg", inputs: ["a"], outputs: ["y"] },
      { op: "Abs", inputs: ["x"], outputs: ["a"] },
      { op: "NoSuchOp", inputs: ["x"], outputs: ["unread"] },
    ]);
    expect(importTest(bytes).nodes.map((node) => node.op === "Unary" && node.attrs.fn)).toEqual(["abs", "neg"]);
  });
});

describe("what is not supported", () => {
  it("an unknown op names node, op, domain and opset", () => {
    const bytes = relu([2], { nodes: [{ op: "Einsum", name: "e", domain: "my.domain", inputs: ["x"], outputs: ["y"] }] });
    expect(() => importTest(bytes)).toThrow(UnsupportedError);
    expect(() => importTest(bytes)).toThrow('node "e" (Einsum): op Einsum of domain my.domain, opset 1, is not supported');
  });

  it("external data", () => {
    const bytes = encodeModel({
      irVersion: 8,
      opsetImport: [{ domain: "", version: 17 }],
      graph: {
        node: [{ opType: "Add", input: ["x", "w"], output: ["y"] }],
        initializer: [{ name: "w", dims: [2], dataType: 1, dataLocation: 1, externalData: [{ key: "location", value: "weights.bin" }] }],
        input: [{ name: "x", type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 2 }] } } } }],
        output: [{ name: "y" }],
      },
    });
    expect(() => importTest(bytes)).toThrow('initializer "w": its data is in "weights.bin", expected it inside the model');
  });

  it("a shape that is computed from the data", () => {
    const bytes = onnxFile({
      inputs: { x: [4], s: [2] },
      inputTypes: { s: 7 },
      nodes: [{ op: "Reshape", name: "r", inputs: ["x", "s"], outputs: ["y"] }],
      outputs: ["y"],
    });
    expect(() => importTest(bytes)).toThrow('node "r" (Reshape): shape (input 1, "s") is computed from the data, expected a constant');
    const constants = new Map([["s", { dtype: "int64" as const, shape: [2], data: Float64Array.of(2, 2) }]]);
    expect(tensorOf(importTest(bytes, { constants }), "y").shape).toEqual([2, 2]);
  });

  it("3-D convolution", () => {
    const bytes = onnxFile({
      inputs: { x: [1, 1, 4, 4, 4] },
      initializers: { w: { shape: [1, 1, 2, 2, 2], data: new Float32Array(8) } },
      nodes: [{ op: "Conv", name: "c", inputs: ["x", "w"], outputs: ["y"] }],
      outputs: ["y"],
    });
    expect(() => importTest(bytes)).toThrow(/node "c" \(Conv\): .*3-D windows are not supported/);
  });
});

describe("tensors whose bytes and shape disagree", () => {
  const withInitializer = (tensor: object): Uint8Array =>
    encodeModel({
      irVersion: 8,
      opsetImport: [{ domain: "", version: 17 }],
      graph: {
        node: [{ opType: "Add", input: ["x", "w"], output: ["y"] }],
        initializer: [{ name: "w", dataType: 1, ...tensor }],
        input: [{ name: "x", type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 2 }] } } } }],
        output: [{ name: "y" }],
      },
    });

  it.each([
    [{ dims: [3], rawData: new Uint8Array(8) }, "8 bytes of data, expected 12 for 3 × float"],
    [{ dims: [3], floatData: [1, 2] }, "2 values, expected 3 for [3]"],
    [{ dims: [2 ** 31, 2 ** 31], rawData: new Uint8Array(8) }, "expected at most"],
    [{ dims: [-2], rawData: new Uint8Array(8) }, "dimension -2 in [-2], expected 0 or more"],
    [{ dims: [2], dataType: 8 }, "element type string is not supported"],
    [{ dims: [2], dataType: 77 }, "element type type 77 is not supported"],
  ])("%j", (tensor, message) => {
    expect(() => importTest(withInitializer(tensor))).toThrow(message);
  });

  it("nothing is allocated for a huge claim", () => {
    const before = process.memoryUsage().arrayBuffers;
    expect(() => importTest(withInitializer({ dims: [2 ** 29], rawData: new Uint8Array(8) }))).toThrow(FormatError);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 26);
  });

  it("a reshape to another size and a huge constant of a few bytes", () => {
    const reshape = onnxFile({
      inputs: { x: [6] },
      initializers: { s: int64s([4, -1]) },
      nodes: [{ op: "Reshape", name: "r", inputs: ["x", "s"], outputs: ["y"] }],
      outputs: ["y"],
    });
    expect(() => importTest(reshape)).toThrow('node "r" (Reshape): cannot reshape [6] to [4, -1]');
    const filled = onnxFile({
      inputs: { x: [1] },
      initializers: { s: int64s([20000, 20000]) },
      nodes: [
        { op: "ConstantOfShape", name: "fill", inputs: ["s"], outputs: ["c"] },
        { op: "Add", inputs: ["x", "c"], outputs: ["y"] },
      ],
      outputs: ["y"],
    });
    expect(() => importTest(filled)).toThrow('node "fill" (ConstantOfShape): [20000, 20000] has 400000000 elements');
  });
});
