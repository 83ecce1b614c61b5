/** Random nets with everything that couples channels: residual additions, concatenations, depthwise layers, gates, splits, a flatten, dense layers. */
import { GraphBuilder } from "../../src/graph/builder.ts";
import { elementCount } from "../../src/graph/dtype.ts";
import type { Graph, NodeWith } from "../../src/graph/ir.ts";
import { filled, relu, uniform } from "./nets.ts";

const SIZE = 5;
const MOST_BLOCKS = 4;

/** A net of 1 to 4 random blocks on a [1, 5, 5, 3] image, flattened or averaged into two dense layers. */
export function branchyNet(seed: number): Graph {
  const next = uniform(seed);
  const pick = (n: number): number => Math.min(n - 1, Math.floor(((next() + 1) / 2) * n));
  const b = new GraphBuilder(`branchy ${seed}`);
  const weights = (name: string, shape: readonly number[]): string =>
    b.constant(b.unique(name), "float32", shape, filled(elementCount(shape), next));
  const channels = (x: string): number => b.tensor(x).shape.at(-1)!;
  const window: Omit<NodeWith<"Conv2D">["attrs"], "groups"> = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1] };
  const conv = (x: string, o: number): string => {
    const inputs = [x, weights("conv.w", [o, 3, 3, channels(x)]), weights("conv.b", [o])];
    return b.add("Conv2D", "conv", inputs, { ...window, groups: 1, ...(pick(2) === 0 && { activation: relu }) });
  };
  const depthwise = (x: string, multiplier: number): string => {
    const c = channels(x) * multiplier;
    return b.add("DepthwiseConv2D", "dw", [x, weights("dw.w", [1, 3, 3, c]), weights("dw.b", [c])], { ...window, groups: channels(x) });
  };
  const dense = (x: string, n: number): string => b.add("Dense", "fc", [x, weights("fc.w", [n, channels(x)]), weights("fc.b", [n])], {});
  const blocks: readonly ((x: string) => string)[] = [
    (x) => b.add("Binary", "residual", [x, conv(conv(x, 2 + pick(6)), channels(x))], { fn: "add", activation: relu }),
    (x) => b.add("Concat", "concat", [x, conv(x, 1 + pick(5)), depthwise(x, 1)], { axis: 3 }),
    (x) => depthwise(x, 1 + pick(2)),
    (x) => b.add("Unary", "act", [conv(x, 2 + pick(7))], { fn: "sigmoid" }),
    (x) => {
      const mean = b.add("Reduce", "squeeze", [x], { fn: "mean", axes: [1, 2], keepDims: true });
      const one = { ...window, pads: [0, 0, 0, 0] as const, groups: 1 };
      const gate = b.add("Conv2D", "gate", [mean, weights("gate.w", [channels(x), 1, 1, channels(x)])], one);
      return b.add("Binary", "scale", [x, gate], { fn: "mul" });
    },
    (x) => {
      const y = conv(x, 6);
      const part = (from: number, count: number): string =>
        b.add("Slice", "split", [y], { starts: [0, 0, 0, from], steps: [1, 1, 1, 1] }, { shape: [1, SIZE, SIZE, count] });
      return b.add("Concat", "shuffled", [part(2, 4), conv(part(0, 2), 3)], { axis: 3 });
    },
    (x) =>
      b.add("BatchNorm", "bn", [x, ...["γ", "β", "μ"].map((n) => weights(n, [channels(x)])), variance(channels(x))], { epsilon: 1e-3 }),
    (x) => {
      const y = b.add("Pad", "pad", [conv(x, 4)], { before: [0, 1, 0, 0], after: [0, 0, 1, 0], mode: "constant", value: 0.5 });
      const cropped = { starts: [0, 1, 0, 0], steps: [1, 1, 1, 1] };
      const z = b.add("Slice", "crop", [y], cropped, { shape: [1, SIZE, SIZE, 4] });
      return b.add("Binary", "shift", [z, weights("shift", [4])], { fn: "mul" });
    },
  ];
  const variance = (c: number): string =>
    b.constant(
      b.unique("σ²"),
      "float32",
      [c],
      filled(c, next).map((x) => Math.abs(x) + 0.1),
    );

  let x = conv(b.input("image", "float32", [1, SIZE, SIZE, 3]), 3 + pick(6));
  for (let i = 1 + pick(MOST_BLOCKS); i > 0; i--) x = blocks[pick(blocks.length)]!(x);
  switch (pick(3)) {
    case 0:
      x = b.add("Reduce", "mean", [x], { fn: "mean", axes: [1, 2], keepDims: false });
      break;
    case 1:
      x = b.add("Reshape", "flatten", [x], {}, { shape: [1, SIZE * SIZE * channels(x)] });
      break;
    case 2:
      // As files in channels-first layout flatten.
      x = b.add("Transpose", "nchw", [x], { perm: [0, 3, 1, 2] });
      x = b.add("Reshape", "flatten", [x], {}, { shape: [1, elementCount(b.tensor(x).shape)] });
      break;
  }
  x = dense(dense(x, 2 + pick(9)), 4);
  return b.finish([b.add("Softmax", "softmax", [x], { axis: 1, beta: 1 })]);
}
