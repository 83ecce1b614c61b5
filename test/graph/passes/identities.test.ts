import { describe, expect, it } from "vitest";
import { removeDeadCode, removeIdentities } from "../../../src/graph/passes/index.ts";
import type { Graph, OpAttrs, OpName, Shape } from "../../../src/graph/ir.ts";
import { expectSameResults, opsOf } from "../run.ts";
import { Net, perTensor } from "./nets.ts";

const clean = (graph: Graph): Graph => removeDeadCode(removeIdentities(graph));

/** A node of interest between two others. */
function between<O extends OpName>(op: O, attrs: OpAttrs[O], output: { shape?: Shape; dtype?: "float32" } = {}): Graph {
  const net = new Net();
  const x = net.unary(net.input("x", "float32", [2, 3]), { fn: "neg" });
  return net.finish([net.unary(net.add(op, "middle", [x], attrs, output), { fn: "abs" })]);
}

describe("removeIdentities", () => {
  it.each([
    ["Reshape", between("Reshape", {}, { shape: [2, 3] })],
    ["Transpose", between("Transpose", { perm: [0, 1] })],
    ["Cast", between("Cast", {}, { dtype: "float32" })],
    ["Slice", between("Slice", { starts: [0, 0], steps: [1, 1] }, { shape: [2, 3] })],
    ["Pad", between("Pad", { before: [0, 0], after: [0, 0], mode: "constant", value: 7 })],
    ["Concat", between("Concat", { axis: 1 })],
    ["Expand", between("Expand", {}, { shape: [2, 3] })],
    ["Reduce", between("Reduce", { fn: "mean", axes: [], keepDims: false })],
    ["Unary", between("Unary", { fn: "clip" })],
  ] as const)("removes a %s that changes nothing", async (_, before) => {
    const after = clean(before);
    expect(opsOf(after)).toEqual(["Unary", "Unary"]);
    await expectSameResults(before, after, 1);
  });

  it.each([
    ["Transpose", between("Transpose", { perm: [1, 0] })],
    ["Slice", between("Slice", { starts: [0, 2], steps: [1, -1] }, { shape: [2, 3] })],
    ["Pad", between("Pad", { before: [0, 0], after: [0, 1], mode: "constant", value: 0 })],
    ["Unary", between("Unary", { fn: "clip", min: 0 })],
  ] as const)("keeps a %s that does something", (_, graph) => {
    expect(removeIdentities(graph)).toBe(graph);
  });

  it("merges chains of reshapes and of transposes", async () => {
    const net = new Net();
    let x = net.input("x", "float32", [2, 3, 4]);
    x = net.add("Transpose", "t1", [x], { perm: [1, 2, 0] });
    x = net.add("Transpose", "t2", [x], { perm: [1, 2, 0] });
    x = net.add("Reshape", "r1", [x], {}, { shape: [4, 6] });
    x = net.add("Reshape", "r2", [x], {}, { shape: [8, 3] });
    const before = net.finish([x]);
    const after = clean(before);
    expect(opsOf(after)).toEqual(["Transpose", "Reshape"]);
    await expectSameResults(before, after, 2);
  });

  it("cancels a transpose and its inverse, also through three of them", async () => {
    const net = new Net();
    let x = net.input("x", "float32", [2, 3, 4]);
    for (let i = 0; i < 3; i++) x = net.add("Transpose", `t${i}`, [x], { perm: [1, 2, 0] });
    const before = net.finish([net.unary(x, { fn: "abs" })]);
    expect(opsOf(clean(before))).toEqual(["Unary"]);
    await expectSameResults(before, clean(before), 3);
  });

  it("turns a transpose of unit dimensions into a reshape", async () => {
    const net = new Net();
    const x = net.add("Transpose", "t", [net.input("x", "float32", [1, 1, 5, 4])], { perm: [0, 2, 3, 1] });
    const before = net.finish([net.add("Reshape", "flat", [x], {}, { shape: [20] })]);
    const after = clean(before);
    expect(opsOf(after)).toEqual(["Reshape"]);
    await expectSameResults(before, after, 4);
  });

  it("keeps the names of graph outputs: the writer takes the output's name, an input is passed on by a node", async () => {
    const net = new Net();
    const x = net.input("x", "float32", [4]);
    const y = net.unary(x, { fn: "abs" });
    const reader = net.unary(y, { fn: "neg" });
    net.add("Reshape", "same", [y], {}, { name: "out", shape: [4] });
    net.add("Reshape", "copy", [x], {}, { name: "passed", shape: [4] });
    const before = net.finish(["out", "passed", reader]);
    const after = clean(before);
    expect(after.nodes.map((node) => node.outputs[0])).toEqual(["out", reader, "passed"]);
    await expectSameResults(before, after, 5);
  });

  it("Quantize after Dequantize vanishes on one grid, not on two", async () => {
    const build = (scale: number): Graph => {
      const net = new Net();
      const x = net.input("x", "int8", [8], perTensor(0.5, 1));
      const y = net.quantize(net.dequantize(x), perTensor(scale, 1));
      return net.finish([net.add("Unary", "abs", [y], { fn: "abs" }, { quant: perTensor(0.5, 0) })]);
    };
    const same = build(0.5);
    expect(opsOf(clean(same))).toEqual(["Unary"]);
    await expectSameResults(same, clean(same), 6);
    const other = build(0.25);
    expect(removeIdentities(other)).toBe(other);
  });
});
