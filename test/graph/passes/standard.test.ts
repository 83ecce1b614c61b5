/** Properties of the passes on random networks. */
import { describe, expect, it } from "vitest";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { standardPasses } from "../../../src/graph/passes/index.ts";
import { expectSameResults, opsOf } from "../run.ts";
import { Net, randomNet } from "./nets.ts";

describe("standardPasses", () => {
  it("keep the results of random networks, and shorten them", async () => {
    let shortened = 0;
    for (let seed = 1; seed <= 120; seed++) {
      const reference = randomNet(seed, 8, "arithmetic");
      const after = standardPasses(rename(randomNet(seed, 8, "op"), reference), evaluateNode);
      // Folding reorders float32 roundings of up to eight layers; sums cancel, so errors grow relative to the result.
      await expectSameResults(reference, after, seed, { relative: 1e-4 });
      expect(opsOf(after), `seed ${seed}`).not.toContain("BatchNorm");
      if (after.nodes.length < reference.nodes.length - 2) shortened++;
    }
    expect(shortened).toBeGreaterThan(100);
  });

  it("reach a fixed point", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const once = standardPasses(randomNet(seed, 10, "op"), evaluateNode);
      expect(opsOf(standardPasses(once, evaluateNode)), `seed ${seed}`).toEqual(opsOf(once));
    }
  });

  it("bring a MobileNetV3-style block to its convolutions", async () => {
    const build = (written: "op" | "arithmetic"): Graph => {
      const net = new Net(21);
      const swish = (x: string): string => {
        const gate = net.unary(net.binary("add", x, net.weights([], [3])), { fn: "clip", min: 0, max: 6 });
        return net.binary("div", net.binary("mul", x, gate), net.weights([], [6]));
      };
      let x = net.input("x", "float32", [1, 8, 8, 4]);
      x = swish(net.batchNorm(net.conv(x, 8, 1, { bias: false }), written));
      x = swish(net.batchNorm(net.depthwise(x, 3), written));
      const y = net.batchNorm(net.conv(x, 4, 1, { bias: false }), written);
      return net.finish([net.add("Reshape", "out", [y], {}, { name: "y", shape: [256] })]);
    };
    const after = standardPasses(build("op"), evaluateNode);
    expect(opsOf(after)).toEqual(["Conv2D", "DepthwiseConv2D", "Conv2D", "Reshape"]);
    await expectSameResults(build("arithmetic"), after, 1, { relative: 1e-5 });
  });
});

describe("expectSameResults", () => {
  const build = (value: number, shape: readonly number[] = [4]): Graph => {
    const net = new Net();
    const x = net.input("x", "float32", [4]);
    const y = net.binary("add", x, net.constant("c", "float32", [], Float32Array.of(value)));
    return net.finish([net.add("Reshape", "out", [y], {}, { shape })]);
  };

  it("notices other values and another interface", async () => {
    await expectSameResults(build(1), build(1), 1);
    await expect(expectSameResults(build(1), build(1.001), 1)).rejects.toThrow(/seed 1: float difference/);
    await expect(expectSameResults(build(1), build(1, [2, 2]), 1)).rejects.toThrow();
  });
});

/** Gives the graph's output the reference's name: the two ways to write a BatchNorm number their nodes differently. */
function rename(graph: Graph, reference: Graph): Graph {
  const [from, to] = [graph.outputs[0]!, reference.outputs[0]!];
  const swap = (name: string): string => (name === from ? to : name === to ? from : name);
  const tensors = new Map([...graph.tensors.values()].map((tensor) => [swap(tensor.name), { ...tensor, name: swap(tensor.name) }]));
  const nodes = graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map(swap), outputs: node.outputs.map(swap) }));
  return { ...graph, tensors, nodes, outputs: [to] };
}
