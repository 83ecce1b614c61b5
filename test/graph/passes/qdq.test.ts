/** Quantize/Dequantize fusion and the signed form: which nodes become integer, and that they compute what the float form computes. */
import { describe, expect, it } from "vitest";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import type { DType } from "../../../src/graph/dtype.ts";
import type { Graph, OpAttrs, OpName, Quantization, Shape } from "../../../src/graph/ir.ts";
import { adoptGrids, fuseQdq, normalizeBytes, orderConversions, removeDeadCode, standardPasses } from "../../../src/graph/passes/index.ts";
import { expectSameResults, opsOf, runGraph } from "../run.ts";
import { Net, perTensor } from "./nets.ts";

const fuse = (graph: Graph): Graph => removeDeadCode(fuseQdq(graph));
/** A result rounds once, from sums that float32 and int32 form slightly differently: one step where it falls on the middle. */
const ONE_STEP = { lsb: 1 };

const perChannel = (scales: readonly number[], axis: number, zero = 0): Quantization => ({
  scales: Float32Array.from(scales),
  zeroPoints: new Int32Array(scales.length).fill(zero),
  axis,
});

interface Layer {
  readonly weights: Quantization;
  readonly dtype?: DType;
  readonly bias?: "none" | "int32" | "float" | "wrong scale";
  readonly relu?: boolean;
  readonly activations?: DType;
}

/** int8 input → Dequantize → convolution with dequantized weights → Quantize. */
function layer(kind: "Conv2D" | "DepthwiseConv2D" | "Dense", options: Layer): Graph {
  const net = new Net(3);
  const type = options.activations ?? "int8";
  const shift = type === "uint8" ? 128 : 0;
  const [xq, yq] = [perTensor(0.02, 5 + shift), perTensor(0.05, -20 + shift)];
  const x = net.dequantize(net.input("x", type, kind === "Dense" ? [2, 4] : [1, 5, 5, 4], xq));
  const shape = kind === "Conv2D" ? [4, 3, 3, 4] : kind === "DepthwiseConv2D" ? [1, 3, 3, 4] : [4, 4];
  const w = net.dequantize(net.bytes(shape, options.weights, options.dtype));
  const scales = Array.from({ length: 4 }, (_, c) => 0.02 * (options.weights.scales[c] ?? options.weights.scales[0]!));
  let bias = "";
  if (options.bias === "float") bias = net.weights([4]);
  else if (options.bias === "int32" || options.bias === "wrong scale") {
    const quant = perChannel(options.bias === "int32" ? scales : scales.map((s) => s * 3), 0);
    bias = net.dequantize(net.constant("b", "int32", [4], Int32Array.of(300, -500, 20, 0), { quant }));
  }
  const window = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: kind === "Conv2D" ? 1 : 4 } as const;
  const activation = options.relu ? { activation: { kind: "clamp" as const, min: 0, max: 6 } } : {};
  const y =
    kind === "Dense"
      ? net.add("Dense", "layer", [x, w, bias], activation)
      : net.add(kind, "layer", [x, w, bias], { ...window, ...activation });
  return net.finish([net.quantize(y, yq, type)]);
}

describe("fuseQdq: layers with weights", () => {
  const channels = [0.01, 0.02, 0.005, 0.03];
  it.each([
    ["Conv2D", { weights: perChannel(channels, 0), bias: "int32", relu: true }],
    ["Conv2D", { weights: perTensor(0.01, 0), bias: "float" }],
    ["Conv2D", { weights: perTensor(0.01, 0), bias: "wrong scale" }],
    ["DepthwiseConv2D", { weights: perChannel(channels, 3), bias: "int32" }],
    ["Dense", { weights: perTensor(0.01, 0), bias: "none" }],
    ["Dense", { weights: perChannel(channels, 0), bias: "int32", activations: "uint8" }],
    ["Dense", { weights: perTensor(0.01, 128), dtype: "uint8" }],
  ] as const)("%s %o", async (kind, options: Layer) => {
    const before = layer(kind, options);
    const after = fuse(before);
    expect(opsOf(after)).toEqual([kind]);
    const [, w, b] = after.nodes[0]!.inputs.map((name) => after.tensors.get(name));
    expect(w?.dtype).toBe("int8");
    expect(w?.quant?.zeroPoints.every((z) => z === 0)).toBe(true);
    if (options.bias !== undefined && options.bias !== "none") expect(b?.dtype).toBe("int32");
    for (const seed of [1, 2, 3]) await expectSameResults(before, after, seed, ONE_STEP);
  });

  it("takes an int32 bias over unchanged when its scale matches", () => {
    const after = fuse(layer("Conv2D", { weights: perTensor(0.01, 0), bias: "int32" }));
    expect(after.nodes[0]!.inputs[2]).toBe("b");
  });

  it.each([
    ["scales along another axis", layer("Conv2D", { weights: perChannel(channels, 3) })],
    ["asymmetric weights that exceed int8", layer("Dense", { weights: perTensor(0.01, 3), dtype: "uint8" })],
  ] as const)("leaves %s in float", (_, graph) => {
    expect(fuseQdq(graph)).toBe(graph);
  });

  it("leaves float weights, a fused hard-swish, and a result that something else reads too", () => {
    const net = new Net(4);
    const x = net.dequantize(net.input("x", "int8", [1, 4, 4, 4], perTensor(0.02, 0)));
    const w = net.dequantize(net.bytes([4, 1, 1, 4], perTensor(0.01, 0)));
    const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1 } as const;
    const q = (y: string): string => net.quantize(y, perTensor(0.05, 0));
    const shared = net.add("Conv2D", "shared", [x, w, ""], attrs);
    const graph = net.finish([
      q(net.conv(x, 4, 1)),
      q(net.add("Conv2D", "swish", [x, w, ""], { ...attrs, activation: { kind: "hardswish" } })),
      q(shared),
      shared,
    ]);
    expect(fuseQdq(graph)).toBe(graph);
  });
});

describe("fuseQdq: other ops", () => {
  const shape = [1, 4, 4, 2];
  /** One op on one dequantized tensor. */
  function single<O extends OpName>(
    op: O,
    attrs: OpAttrs[O],
    extra: { to?: Quantization; shape?: Shape; inputs?: readonly string[] } = {},
  ): Graph {
    const net = new Net(5);
    const xq = perTensor(0.1, 3);
    const x = net.dequantize(net.input("x", "int8", shape, xq));
    const y = net.add(op, "node", [x, ...(extra.inputs ?? [])], attrs, extra.shape && { shape: extra.shape });
    return net.finish([net.quantize(y, extra.to ?? xq)]);
  }
  const pool = { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0, 0, 0, 0], countIncludePad: false } as const;
  const resize = {
    mode: "nearest",
    coordinates: "asymmetric",
    nearestMode: "floor",
    cubicCoeff: -0.75,
    excludeOutside: false,
    scales: [1, 2, 2, 1],
  } as const;
  const pinned = perTensor(1 / 256, -128);

  it.each([
    ["Reshape", single("Reshape", {}, { shape: [2, 16] }), ["Reshape"]],
    ["Transpose", single("Transpose", { perm: [0, 3, 1, 2] }), ["Transpose"]],
    ["Slice", single("Slice", { starts: [0, 1, 0, 0], steps: [1, 2, 1, 1] }, { shape: [1, 2, 4, 2] }), ["Slice"]],
    ["Pad", single("Pad", { before: [0, 1, 0, 0], after: [0, 0, 0, 0], mode: "constant", value: 0 }), ["Pad"]],
    ["Resize", single("Resize", resize), ["Resize"]],
    ["MaxPool2D", single("MaxPool2D", pool), ["MaxPool2D"]],
    ["AveragePool2D", single("AveragePool2D", pool, { to: perTensor(0.07, -3) }), ["AveragePool2D"]],
    ["Reduce", single("Reduce", { fn: "mean", axes: [1, 2], keepDims: false }, { to: perTensor(0.03, 0) }), ["Reduce"]],
    ["Unary", single("Unary", { fn: "sigmoid" }, { to: pinned }), ["Unary"]],
    ["Reshape onto another grid", single("Reshape", {}, { shape: [32], to: perTensor(0.2, 0) }), ["Reshape", "Requantize"]],
    ["MaxPool2D onto another grid", single("MaxPool2D", pool, { to: perTensor(0.2, 0) }), ["MaxPool2D", "Requantize"]],
  ] as const)("%s", async (_, before, ops) => {
    const after = fuse(before);
    expect(opsOf(after)).toEqual(ops);
    for (const seed of [1, 2, 3]) await expectSameResults(before, after, seed, ONE_STEP);
  });

  it.each([
    ["a padding value", single("Pad", { before: [0, 1, 0, 0], after: [0, 0, 0, 0], mode: "constant", value: 1 })],
    ["linear resizing", single("Resize", { ...resize, mode: "linear" })],
    ["a sum", single("Reduce", { fn: "sum", axes: [1], keepDims: false })],
    ["a logarithm", single("Unary", { fn: "log" })],
    ["softmax on another grid", single("Softmax", { axis: 3, beta: 1 })],
  ] as const)("leaves %s in float", (_, graph) => {
    expect(fuseQdq(graph)).toBe(graph);
  });

  it("Softmax on its pinned grid", async () => {
    const before = single("Softmax", { axis: 3, beta: 1 }, { to: pinned });
    expect(opsOf(fuse(before))).toEqual(["Softmax"]);
    await expectSameResults(before, fuse(before), 1, ONE_STEP);
  });

  it.each(["add", "sub", "mul"] as const)("%s of two tensors, with a clamp", async (fn) => {
    const net = new Net(6);
    const a = net.dequantize(net.input("a", "int8", [2, 8], perTensor(0.1, 3)));
    const b = net.dequantize(net.input("b", "int8", [8], perTensor(0.03, -7)));
    const before = net.finish([net.quantize(net.binary(fn, a, b, { kind: "clamp", min: 0, max: 6 }), perTensor(0.12, -100))]);
    const after = fuse(before);
    expect(opsOf(after)).toEqual(["Binary"]);
    for (const seed of [1, 2, 3]) await expectSameResults(before, after, seed, ONE_STEP);
  });

  it("a division, and additions whose scales differ by more than the integer form carries, stay in float", () => {
    const build = (fn: "add" | "div", scale: number): Graph => {
      const net = new Net(7);
      const a = net.dequantize(net.input("a", "int8", [4], perTensor(0.1, 0)));
      const b = net.dequantize(net.input("b", "int8", [4], perTensor(0.1, 0)));
      return net.finish([net.quantize(net.binary(fn, a, b), perTensor(scale, 0))]);
    };
    for (const graph of [build("div", 0.1), build("add", 1e-4), build("add", 1e4)]) expect(fuseQdq(graph)).toBe(graph);
    expect(opsOf(fuse(build("add", 0.1)))).toEqual(["Binary"]);
  });

  it("Concat of tensors on different grids", async () => {
    const net = new Net(8);
    const parts = [0.1, 0.05, 0.2].map((scale, i) => net.dequantize(net.input(`x${i}`, "int8", [1, 4], perTensor(scale, i))));
    const before = net.finish([net.quantize(net.add("Concat", "cat", parts, { axis: 1 }), perTensor(0.1, 0))]);
    const after = fuse(before);
    expect(opsOf(after)).toEqual(["Concat"]);
    await expectSameResults(before, after, 1, ONE_STEP);
  });

  it("Gather takes indices as they are", async () => {
    const net = new Net(9);
    const quant = perTensor(0.1, 3);
    const x = net.dequantize(net.input("x", "int8", [4, 2], quant));
    const indices = net.constant("i", "int64", [2], Float64Array.of(3, 0));
    const before = net.finish([net.quantize(net.add("Gather", "g", [x, indices], { axis: 0 }), quant)]);
    expect(opsOf(fuse(before))).toEqual(["Gather"]);
    await expectSameResults(before, fuse(before), 1);
  });

  it("Quantize of a Dequantize on another grid becomes a Requantize", async () => {
    const net = new Net(10);
    const x = net.dequantize(net.input("x", "uint8", [64], perTensor(0.1, 100)));
    const before = net.finish([net.quantize(x, perTensor(0.17, 4))]);
    expect(opsOf(fuse(before))).toEqual(["Requantize"]);
    await expectSameResults(before, fuse(before), 1, ONE_STEP);
  });
});

describe("normalizeBytes", () => {
  it("moves unsigned tensors to the signed grid inside, and keeps the file's own types at the border", async () => {
    const before = fuse(layer("Conv2D", { weights: perTensor(0.01, 0), bias: "int32", activations: "uint8" }));
    const after = normalizeBytes(before);
    expect(opsOf(after)).toEqual(["Requantize", "Conv2D", "Requantize"]);
    const conv = after.nodes[1]!;
    for (const name of [conv.inputs[0]!, conv.outputs[0]!]) expect(after.tensors.get(name)?.dtype).toBe("int8");
    expect(after.tensors.get(conv.inputs[0]!)?.quant?.zeroPoints[0]).toBe(5);
    for (const seed of [1, 2, 3]) await expectSameResults(before, after, seed);
  });

  it("is idempotent", () => {
    const once = normalizeBytes(fuse(layer("Dense", { weights: perTensor(0.01, 0), activations: "uint8" })));
    expect(normalizeBytes(once)).toBe(once);
  });

  it("shifts unsigned constants", async () => {
    const net = new Net(11);
    const quant = perTensor(0.1, 120);
    const x = net.input("x", "uint8", [8], quant);
    const before = net.finish([net.add("Binary", "sum", [x, net.bytes([8], quant, "uint8")], { fn: "add" }, { quant })]);
    const after = normalizeBytes(before);
    const constant = [...after.tensors.values()].find((tensor) => tensor.data !== undefined)!;
    expect(constant.dtype).toBe("int8");
    expect(constant.quant?.zeroPoints[0]).toBe(-8);
    await expectSameResults(before, after, 2);
  });

  it("leaves unsigned bytes without a grid, and those that a Cast reads as numbers", () => {
    const net = new Net(12);
    const image = net.input("image", "uint8", [4]);
    const other = net.input("other", "uint8", [4], perTensor(0.1, 3));
    const real = [image, other].map((x, i) => net.add("Cast", `cast${i}`, [x], {}, { dtype: "float32" }));
    const graph = net.finish([net.binary("add", real[0]!, real[1]!)]);
    expect(normalizeBytes(graph)).toBe(graph);
  });
});

describe("normalizeBytes at the edge of grids", () => {
  it("leaves unsigned bytes alone where bytes without a grid read them", () => {
    const net = new Net(17);
    const x = net.input("x", "uint8", [4], perTensor(0.1, 3));
    const graph = net.finish([net.add("Reshape", "raw", [x], {}, { shape: [2, 2] })]);
    expect(graph.tensors.get("raw")?.quant).toBeUndefined();
    expect(normalizeBytes(graph)).toBe(graph);
  });
});

describe("adoptGrids", () => {
  /** int8 without a grid → moved → float arithmetic that spells a grid out. */
  const spelled = (zero: number, scale: number, readers = 1): Graph => {
    const net = new Net(14);
    const x = net.add("Reshape", "moved", [net.input("x", "int8", [8])], {}, { shape: [2, 4] });
    const real = Array.from({ length: readers }, (_, i) => {
      const wide = net.add("Cast", `cast${i}`, [x], {}, { dtype: "float32" });
      return net.binary("mul", net.binary("sub", wide, net.weights([], [zero])), net.weights([], [scale + i]));
    });
    return net.finish(real);
  };

  it("takes a grid that is written out as the input's own", async () => {
    const before = spelled(3, 0.25);
    const after = removeDeadCode(adoptGrids(before));
    expect(opsOf(after)).toEqual(["Reshape", "Dequantize"]);
    expect(after.tensors.get("x")?.quant).toEqual(perTensor(0.25, 3));
    const [a, b] = await Promise.all([before, after].map((graph) => runGraph(graph, [Int8Array.of(-128, -1, 0, 1, 2, 3, 4, 127)])));
    expect(b).toEqual(a);
  });

  it("not with a fractional or unreachable zero point, a negative scale, or two grids", () => {
    for (const graph of [spelled(0.5, 0.25), spelled(200, 0.25), spelled(3, -1), spelled(3, 0.25, 2)])
      expect(adoptGrids(graph)).toBe(graph);
  });
});

describe("orderConversions", () => {
  it("moves bytes instead of floats, on both sides of the arithmetic", async () => {
    const net = new Net(15);
    let x = net.dequantize(net.input("x", "int8", [1, 2, 3, 4], perTensor(0.1, 3)));
    x = net.add("Transpose", "t", [x], { perm: [0, 2, 3, 1] });
    x = net.add("Slice", "s", [x], { starts: [0, 0, 1, 0], steps: [1, 1, 1, 1] }, { shape: [1, 3, 3, 2] });
    x = net.unary(x, { fn: "tanh" });
    x = net.add("Reshape", "r", [x], {}, { shape: [6, 3] });
    x = net.add("Transpose", "u", [x], { perm: [1, 0] });
    const before = net.finish([net.quantize(x, perTensor(1 / 128, 0))]);
    const after = orderConversions(before);
    expect(opsOf(after)).toEqual(["Transpose", "Slice", "Dequantize", "Unary", "Quantize", "Reshape", "Transpose"]);
    await expectSameResults(before, after, 1);
    expect(opsOf(fuse(after))).toEqual(["Transpose", "Slice", "Unary", "Reshape", "Transpose"]);
  });

  it("stops at a float tensor with another reader", () => {
    const net = new Net(16);
    const real = net.dequantize(net.input("x", "int8", [4], perTensor(0.1, 3)));
    const a = net.add("Reshape", "a", [real], {}, { shape: [2, 2] });
    const b = net.add("Reshape", "b", [net.unary(real, { fn: "tanh" })], {}, { shape: [2, 2] });
    const graph = net.finish([a, b, net.quantize(b, perTensor(0.1, 0))]);
    expect(orderConversions(graph)).toBe(graph);
  });
});

describe("standardPasses on a quantized network", () => {
  it("leaves no float op between its borders", async () => {
    const net = new Net(13);
    const q = [perTensor(0.05, 10), perTensor(0.08, -128), perTensor(0.1, 0)] as const;
    let x = net.grid(net.input("x", "float32", [1, 6, 6, 3]), q[0]);
    const conv = (input: string, o: number): string => {
      const w = net.dequantize(net.bytes([o, 3, 3, net.tensor(input).shape[3]!], perTensor(0.01, 0)));
      const attrs = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1 } as const;
      return net.add("Conv2D", net.next("conv"), [input, w, net.weights([o])], attrs);
    };
    x = net.grid(net.unary(conv(x, 4), { fn: "relu" }), q[1]);
    const branch = net.grid(conv(x, 4), q[2]);
    x = net.grid(net.binary("add", x, branch), q[2]);
    x = net.grid(net.add("Reduce", "mean", [x], { fn: "mean", axes: [1, 2], keepDims: false }), q[2]);
    const kn = net.dequantize(
      net.bytes([4, 5], { scales: Float32Array.of(0.01, 0.02, 0.01, 0.03, 0.02), zeroPoints: new Int32Array(5), axis: 1 }),
    );
    const product = net.add("MatMul", "fc", [x, kn], { transposeA: false, transposeB: false });
    x = net.grid(net.binary("add", product, net.weights([5])), q[2]);
    const before = net.finish([x]);
    const after = standardPasses(before, evaluateNode);
    expect(opsOf(after)).toEqual(["Quantize", "Conv2D", "Conv2D", "Binary", "Reduce", "Dense", "Dequantize"]);
    // Each layer may round one step differently; the last grid's step is 0.1, results reach about 10.
    for (const seed of [1, 2, 3]) await expectSameResults(before, after, seed, { relative: 0.03 });
  });
});
