/** Dead code, constant folding, batch norm, affine and pad folding: structure, and equal results. */
import { describe, expect, it } from "vitest";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { UnsupportedError } from "../../../src/errors.ts";
import { foldAffine, foldBatchNorm, foldConstants, foldPads, removeDeadCode, widenWeights } from "../../../src/graph/passes/index.ts";
import { expectSameResults, opsOf } from "../run.ts";
import { Net, perTensor } from "./nets.ts";

const ROUNDING = { relative: 2e-6 };

describe("removeDeadCode", () => {
  it("drops what no output needs, and keeps graph inputs", () => {
    const net = new Net();
    const x = net.input("x", "float32", [1, 4, 4, 2]);
    net.input("unused", "float32", [1]);
    net.unary(net.conv(x, 3, 3), { fn: "relu" });
    const graph = removeDeadCode(net.finish([net.unary(x, { fn: "abs" })]));
    expect(opsOf(graph)).toEqual(["Unary"]);
    expect(graph.inputs).toEqual(["x", "unused"]);
    expect([...graph.tensors.keys()].sort()).toEqual(["abs4", "unused", "x"].sort());
  });

  it("returns the graph itself when nothing is dead", () => {
    const net = new Net();
    const graph = net.finish([net.unary(net.input("x", "float32", [2]), { fn: "abs" })]);
    expect(removeDeadCode(graph)).toBe(graph);
  });
});

describe("foldConstants", () => {
  it("computes chains of constants", async () => {
    const net = new Net();
    const x = net.input("x", "float32", [2]);
    const c = net.unary(net.binary("add", net.weights([2], [1, -5]), net.weights([2], [2, 3])), { fn: "relu" });
    const before = net.finish([net.binary("mul", x, c)]);
    const after = foldConstants(before, evaluateNode);
    expect(opsOf(after)).toEqual(["Binary"]);
    expect([...after.tensors.get(c)!.data!]).toEqual([3, 0]);
    await expectSameResults(before, after, 3);
  });

  it("leaves alone what would grow the model, and constants that are graph outputs", () => {
    const net = new Net();
    const x = net.input("x", "float32", [1000, 100]);
    const wide = net.add("Expand", "expand", [net.weights([1])], {}, { shape: [1000, 100] });
    const shown = net.unary(net.weights([1]), { fn: "abs" });
    const after = foldConstants(net.finish([net.binary("add", x, wide), shown]), evaluateNode);
    expect(opsOf(after)).toEqual(["Expand", "Unary", "Binary"]);
  });

  it("keeps dequantized weights small, and folds other dequantized constants once asked to", () => {
    const net = new Net();
    const x = net.input("x", "float32", [1, 4]);
    const w = net.dequantize(net.bytes([3, 4], perTensor(0.1, 0)));
    const y = net.add("Dense", "dense", [x, w, ""], {});
    const before = net.finish([net.binary("add", y, net.dequantize(net.bytes([3], perTensor(0.1, 0))))]);
    expect(opsOf(foldConstants(before, evaluateNode, "all"))).toEqual(opsOf(before));
    expect(opsOf(foldConstants(before, evaluateNode, "weights"))).toEqual(["Dequantize", "Dense", "Binary"]);
    expect(opsOf(widenWeights(before, evaluateNode))).toEqual(["Dense", "Binary"]);
  });
});

describe("foldBatchNorm", () => {
  it.each(["conv", "depthwise", "convTranspose", "dense"] as const)("into a %s", async (kind) => {
    const build = (written: "op" | "arithmetic"): ReturnType<Net["finish"]> => {
      const net = new Net(5);
      const x = net.input("x", "float32", [1, 4, 4, 3]);
      const y =
        kind === "conv"
          ? net.conv(x, 4, 3)
          : kind === "depthwise"
            ? net.depthwise(x, 3, 2)
            : kind === "dense"
              ? net.dense(x, 5)
              : net.convTranspose(x, 4);
      return net.finish([net.add("Reshape", "out", [net.batchNorm(y, written)], {}, { name: "y", shape: net.tensor(y).shape })]);
    };
    const after = foldBatchNorm(build("op"));
    expect(after.nodes).toHaveLength(2);
    expect(opsOf(after)).not.toContain("Binary");
    await expectSameResults(build("arithmetic"), after, 9, ROUNDING);
  });

  it("is lowered where the node before has other readers, an activation, or no weights", async () => {
    const build = (written: "op" | "arithmetic"): ReturnType<Net["finish"]> => {
      const net = new Net(6);
      const x = net.input("x", "float32", [1, 4, 4, 3]);
      const shared = net.conv(x, 3, 1);
      const active = net.conv(x, 3, 1, { activation: { kind: "clamp", min: 0, max: 6 } });
      const parts = [shared, active, x].map((t) => net.batchNorm(t, written));
      const sum = net.binary("add", net.binary("add", parts[0]!, parts[1]!), net.binary("add", parts[2]!, shared));
      return net.finish([net.add("Reshape", "out", [sum], {}, { name: "y", shape: [16, 3] })]);
    };
    const after = foldBatchNorm(build("op"));
    expect(opsOf(after)).not.toContain("BatchNorm");
    expect(opsOf(after).filter((op) => op === "Binary")).toHaveLength(3 + 6);
    await expectSameResults(build("arithmetic"), after, 10, ROUNDING);
  });

  it("keeps the promise of zeros", () => {
    const net = new Net(5);
    const x = net.input("x", "float32", [1, 2]);
    const w = net.constant("pruned", "float32", [2, 2], Float32Array.of(0, 1, 2, 0), { sparsity: { pattern: "unstructured" } });
    const after = foldBatchNorm(net.finish([net.batchNorm(net.add("Dense", "d", [x, w, ""], {}), "op")]));
    const folded = after.tensors.get(after.nodes[0]!.inputs[1]!)!;
    expect(folded.sparsity).toEqual({ pattern: "unstructured" });
    expect([...folded.data!].map((v) => v === 0)).toEqual([true, false, false, true]);
  });

  it("refuses parameters that are computed", () => {
    const net = new Net();
    const x = net.input("x", "float32", [1, 2]);
    const live = net.add("Reshape", "r", [x], {}, { shape: [2] });
    const constants = [1, 2, 3].map(() => net.weights([2]));
    const graph = net.finish([net.add("BatchNorm", "bn", [x, live, ...constants], { epsilon: 0 })]);
    expect(() => foldBatchNorm(graph)).toThrow(UnsupportedError);
    expect(() => foldBatchNorm(graph)).toThrow('node "bn" (BatchNorm): its parameters are not constant');
  });
});

describe("foldAffine", () => {
  it.each(["add", "sub", "mul", "div"] as const)("folds %s by channel and by one value, with the activation behind it", async (fn) => {
    const net = new Net(7);
    const x = net.input("x", "float32", [1, 4, 4, 3]);
    const first = net.binary(fn, net.conv(x, 4, 3), net.weights([4], [0.5, -2, 3, 0.25]));
    const second = net.binary(fn, net.depthwise(first, 3), net.weights([1], [1.5]), { kind: "clamp", min: 0, max: 6 });
    const before = net.finish([second]);
    const after = foldAffine(before);
    expect(opsOf(after)).toEqual(["Conv2D", "DepthwiseConv2D"]);
    await expectSameResults(before, after, 1, ROUNDING);
  });

  it("folds a constant on the left of a commutative op only", () => {
    const count = (fn: "add" | "sub" | "mul" | "div"): number => {
      const net = new Net(8);
      const y = net.conv(net.input("x", "float32", [1, 3, 3, 2]), 2, 1);
      return foldAffine(net.finish([net.binary(fn, net.weights([2]), y)])).nodes.length;
    };
    expect([count("add"), count("mul"), count("sub"), count("div")]).toEqual([1, 1, 2, 2]);
  });

  it("does not fold what varies over the image, what changes the shape, a division by zero, or past a second reader", () => {
    const net = new Net(9);
    const x = net.input("x", "float32", [1, 3, 1, 1]);
    const spatial = net.binary("mul", net.conv(x, 1, 1), net.weights([1, 3, 1, 1]));
    const wider = net.binary("add", net.conv(x, 1, 1), net.weights([4]));
    const zero = net.binary("div", net.conv(x, 1, 1), net.weights([1], [0]));
    const shared = net.conv(x, 1, 1);
    const before = net.finish([spatial, wider, zero, net.binary("mul", shared, net.weights([1])), shared]);
    expect(foldAffine(before)).toBe(before);
  });

  it("adds to the bias of 8-bit weights, but does not scale them", async () => {
    const net = new Net(10);
    const x = net.input("x", "float32", [1, 4]);
    const dense = (): string => net.add("Dense", net.next("d"), [x, net.dequantize(net.bytes([3, 4], perTensor(0.1, 0))), ""], {});
    const before = net.finish([net.binary("add", dense(), net.weights([3])), net.binary("mul", dense(), net.weights([3]))]);
    const after = foldAffine(before);
    expect(opsOf(after).filter((op) => op === "Binary")).toHaveLength(1);
    await expectSameResults(before, after, 2, ROUNDING);
  });
});

describe("foldPads", () => {
  const padded = (before: readonly number[], value: number, mode: "constant" | "reflect" = "constant"): ReturnType<Net["finish"]> => {
    const net = new Net(3);
    const x = net.input("x", "float32", [1, 4, 4, 2]);
    const pad = net.add("Pad", "pad", [x], { before, after: [0, 1, 1, 0], mode, value });
    return net.finish([net.conv(pad, 2, 3, { pads: [1, 0, 0, 0] })]);
  };

  it("moves zero padding of the image into the convolution", async () => {
    const before = padded([0, 2, 1, 0], 0);
    const after = foldPads(before);
    expect(opsOf(after)).toEqual(["Conv2D"]);
    expect(after.nodes[0]!.op === "Conv2D" && after.nodes[0].attrs.pads).toEqual([3, 1, 1, 1]);
    await expectSameResults(before, after, 4);
  });

  it("leaves other values, other modes and padded channels", () => {
    for (const graph of [padded([0, 1, 1, 0], 1), padded([0, 1, 1, 0], 0, "reflect"), padded([0, 1, 1, 1], 0)])
      expect(foldPads(graph)).toBe(graph);
  });
});
