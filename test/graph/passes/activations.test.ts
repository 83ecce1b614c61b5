/** Fusing activations, and recognizing hard-swish and hard-sigmoid that are written out. */
import { describe, expect, it } from "vitest";
import type { Activation, Graph, UnaryAttrs } from "../../../src/graph/ir.ts";
import { fuseActivations, fuseHardSwish, removeDeadCode } from "../../../src/graph/passes/index.ts";
import { expectSameResults, opsOf } from "../run.ts";
import { Net, perTensor } from "./nets.ts";

function fusedAttrs(graph: Graph): Activation | undefined {
  const node = graph.nodes.at(-1)!;
  return "activation" in node.attrs ? node.attrs.activation : undefined;
}

describe("fuseActivations", () => {
  it.each([
    [{ fn: "relu" }, { kind: "clamp", min: 0, max: Infinity }],
    [
      { fn: "clip", min: 0, max: 6 },
      { kind: "clamp", min: 0, max: 6 },
    ],
    [
      { fn: "clip", max: 1 },
      { kind: "clamp", min: -Infinity, max: 1 },
    ],
    [{ fn: "hardswish" }, { kind: "hardswish" }],
  ] as const)("%o behind a convolution becomes %o", async (attrs: UnaryAttrs, activation) => {
    const net = new Net(1);
    const before = net.finish([net.unary(net.conv(net.input("x", "float32", [1, 4, 4, 2]), 3, 3), attrs)]);
    const after = fuseActivations(before);
    expect(opsOf(after)).toEqual(["Conv2D"]);
    expect(fusedAttrs(after)).toEqual(activation);
    await expectSameResults(before, after, 5, { relative: 1e-6 });
  });

  it("intersects two clamps", async () => {
    const net = new Net(2);
    const y = net.binary("add", net.input("x", "float32", [8]), net.weights([8]));
    const before = net.finish([net.unary(net.unary(y, { fn: "clip", min: -1, max: 4 }), { fn: "clip", min: 0, max: 9 })]);
    const after = fuseActivations(before);
    expect(opsOf(after)).toEqual(["Binary"]);
    expect(fusedAttrs(after)).toEqual({ kind: "clamp", min: 0, max: 4 });
    await expectSameResults(before, after, 6);
  });

  it("leaves sigmoid, hard-swish behind a product or a clamp, and nodes with a second reader", () => {
    const net = new Net(3);
    const x = net.input("x", "float32", [1, 2, 2, 2]);
    const clamp: Activation = { kind: "clamp", min: 0, max: 1 };
    const shared = net.conv(x, 2, 1);
    const before = net.finish([
      net.unary(net.conv(x, 2, 1), { fn: "sigmoid" }),
      net.unary(net.binary("mul", x, x), { fn: "hardswish" }),
      net.unary(net.conv(x, 2, 1, { activation: clamp }), { fn: "hardswish" }),
      net.unary(shared, { fn: "relu" }),
      net.unary(shared, { fn: "relu" }),
      net.unary(net.conv(x, 2, 1), { fn: "clip", min: 2, max: 1 }),
    ]);
    expect(fuseActivations(before)).toBe(before);
  });

  it("on int8 fuses relu on one grid, and nothing across grids or where a bound falls between two steps", async () => {
    const build = (to: { scale: number; zero: number }, attrs: UnaryAttrs): Graph => {
      const net = new Net(4);
      const x = net.input("x", "int8", [1, 8], perTensor(0.1, 3));
      const sum = net.add("Binary", "sum", [x, x], { fn: "add" }, { quant: perTensor(0.25, -10) });
      return net.finish([net.add("Unary", "act", [sum], attrs, { quant: perTensor(to.scale, to.zero) })]);
    };
    for (const attrs of [{ fn: "relu" }, { fn: "clip", min: 0, max: 6 }] as const) {
      const before = build({ scale: 0.25, zero: -10 }, attrs);
      const after = fuseActivations(before);
      expect(opsOf(after)).toEqual(["Binary"]);
      await expectSameResults(before, after, 7);
    }
    for (const graph of [
      build({ scale: 0.5, zero: -10 }, { fn: "relu" }),
      build({ scale: 0.25, zero: -10 }, { fn: "clip", min: 0, max: 0.125 }),
    ]) {
      expect(fuseActivations(graph)).toBe(graph);
    }
    const swish = build({ scale: 0.25, zero: -10 }, { fn: "hardswish" });
    expect(fuseActivations(swish)).toBe(swish);
  });
});

describe("fuseHardSwish", () => {
  /** A net whose only output is written out by the callback. */
  const write = (body: (net: Net, x: string, c: (v: number) => string) => string): Graph => {
    const net = new Net(1);
    const x = net.input("x", "float32", [1, 3, 3, 2]);
    return net.finish([body(net, x, (v) => net.weights([], [v]))]);
  };
  const gate = (net: Net, x: string, c: (v: number) => string): string =>
    net.unary(net.binary("add", x, c(3)), { fn: "clip", min: 0, max: 6 });
  const relu6: Activation = { kind: "clamp", min: 0, max: 6 };

  const forms: Readonly<Record<string, Graph>> = {
    "x*gate/6": write((n, x, c) => n.binary("div", n.binary("mul", x, gate(n, x, c)), c(6))),
    "gate*x*(1/6)": write((n, x, c) => n.binary("mul", n.binary("mul", gate(n, x, c), x), c(0.166667))),
    "x*(gate/6)": write((n, x, c) => n.binary("mul", x, n.binary("div", gate(n, x, c), c(6)))),
    "x*(gate*(1/6))": write((n, x, c) => n.binary("mul", x, n.binary("mul", gate(n, x, c), c(1 / 6)))),
    "(x/6)*gate": write((n, x, c) => n.binary("mul", n.binary("div", x, c(6)), gate(n, x, c))),
    "3+x with relu6 fused": write((n, x, c) => n.binary("mul", n.binary("mul", x, n.binary("add", c(3), x, relu6)), c(1 / 6))),
    "x*hardsigmoid(x)": write((n, x) => n.binary("mul", x, n.unary(x, { fn: "hardsigmoid", alpha: 1 / 6, beta: 0.5 }))),
  };

  it.each(Object.keys(forms))("%s is hard-swish", async (form) => {
    const before = forms[form]!;
    const after = removeDeadCode(fuseHardSwish(before));
    expect(after.nodes.map((node) => node.op === "Unary" && node.attrs.fn)).toEqual(["hardswish"]);
    await expectSameResults(before, after, 3, { relative: 3e-6 });
  });

  it("gate/6 alone is hard-sigmoid", async () => {
    const before = write((n, x, c) => n.binary("div", gate(n, x, c), c(6)));
    const after = removeDeadCode(fuseHardSwish(before));
    expect(after.nodes.map((node) => node.op === "Unary" && node.attrs)).toEqual([{ fn: "hardsigmoid", alpha: 1 / 6, beta: 0.5 }]);
    await expectSameResults(before, after, 4, { relative: 1e-6 });
  });

  it.each([
    ["another divisor", write((n, x, c) => n.binary("div", n.binary("mul", x, gate(n, x, c)), c(5)))],
    [
      "another shift",
      write((n, x, c) => n.binary("div", n.binary("mul", x, n.unary(n.binary("add", x, c(2)), { fn: "clip", min: 0, max: 6 })), c(6))),
    ],
    [
      "another bound",
      write((n, x, c) => n.binary("div", n.binary("mul", x, n.unary(n.binary("add", x, c(3)), { fn: "clip", min: 0, max: 5 })), c(6))),
    ],
    ["the gate of another tensor", write((n, x, c) => n.binary("div", n.binary("mul", n.unary(x, { fn: "abs" }), gate(n, x, c)), c(6)))],
    ["a gate with another slope", write((n, x) => n.binary("mul", x, n.unary(x, { fn: "hardsigmoid", alpha: 0.2, beta: 0.5 })))],
    ["the divisor on top", write((n, x, c) => n.binary("div", c(6), n.binary("mul", x, gate(n, x, c))))],
  ] as const)("%s is not", (_, graph) => {
    expect(fuseHardSwish(graph)).toBe(graph);
  });
});
