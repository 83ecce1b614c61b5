/** Factors that move between layers: the float net stays the same to the bit, weights and activations get what equalization and smoothing promise. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { equalizeLayers } from "../../src/compress/quantize/equalize.ts";
import { magnitudes, powerOfTwo, seamsOf } from "../../src/compress/quantize/seams.ts";
import { smoothActivations } from "../../src/compress/quantize/smooth.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { elementCount } from "../../src/graph/dtype.ts";
import type { Activation, Graph } from "../../src/graph/ir.ts";
import { validateGraph } from "../../src/graph/validate.ts";
import { contextFor, filled, mobileNet, plainNet, relu, relu6, samplesFor, uniform } from "./nets.ts";

const window = (k: number) => ({
  strides: [1, 1] as [number, number],
  dilations: [1, 1] as [number, number],
  pads: [k >> 1, k >> 1, k >> 1, k >> 1] as [number, number, number, number],
});

/** Weights whose magnitudes differ from output to output and from input to input by up to 2^6 either way; some are zero. */
function uneven(shape: readonly number[], seed: number): Float32Array {
  const next = uniform(seed);
  const factors = shape.map((size) => Array.from({ length: size }, () => (next() < -0.9 ? 0 : 2 ** (next() * 3))));
  let rest = 0;
  return Float32Array.from({ length: elementCount(shape) }, (_, i) => {
    rest = i;
    let x = next();
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      x *= factors[axis]![rest % shape[axis]!]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return x;
  });
}

/** Every op that lets factors pass: convolutions dense, grouped and depthwise, pools, pads, a mean, a flatten, scale and shift, leaky ReLUs. */
function longNet(seed: number, activation: Activation = relu): Graph {
  const b = new GraphBuilder("long");
  let s = seed * 100;
  const constant = (name: string, shape: readonly number[]): string => b.constant(name, "float32", shape, uneven(shape, s++));
  const conv = (name: string, x: string, shape: readonly number[], groups: number, act?: Activation): string =>
    b.add("Conv2D", name, [x, constant(`${name}.w`, shape), constant(`${name}.b`, [shape[0]!])], {
      ...window(shape[1]!),
      groups,
      ...(act && { activation: act }),
    });
  let x = b.input("x", "float32", [1, 6, 6, 3]);
  x = conv("c1", x, [4, 3, 3, 3], 1, activation);
  x = b.add("DepthwiseConv2D", "dw", [x, constant("dw.w", [1, 3, 3, 8])], { ...window(3), groups: 4, activation });
  x = b.add("MaxPool2D", "max", [x], { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0, 0, 0, 0], countIncludePad: false });
  x = conv("c2", x, [6, 1, 1, 4], 2);
  x = b.add("Unary", "leaky", [x], { fn: "leakyrelu", alpha: 0.1 });
  x = b.add("Pad", "pad", [x], { before: [0, 1, 0, 0], after: [0, 0, 0, 0], mode: "constant", value: 0 });
  x = conv("c3", x, [5, 3, 3, 6], 1, relu);
  const flat = b.add("Reshape", "flat", [x], {}, { shape: [1, 60] });
  x = b.add("Dense", "d1", [flat, constant("d1.w", [7, 60])], {});
  x = b.add("Binary", "scale", [x, constant("gamma", [7])], { fn: "mul" });
  x = b.add("Binary", "shift", [x, constant("beta", [1, 7])], { fn: "add" });
  const left = b.add("Dense", "left", [x, constant("left.w", [4, 7])], {});
  const right = b.add("Dense", "right", [x, constant("right.w", [4, 7]), constant("right.b", [4])], {});
  x = b.add("Binary", "sum", [left, right], { fn: "add" });
  return b.finish([x]);
}

const outputs = (graph: Graph, samples: ReturnType<typeof samplesFor>): unknown => {
  const observer = observeGraph(graph);
  return samples.map((sample) => observer.run(sample, () => undefined).map((y) => [...y]));
};
const all = (graph: Graph): ReadonlySet<Graph["nodes"][number]> => new Set(graph.nodes);

describe("seams", () => {
  it("are where one side can absorb what the other takes", () => {
    const found = seamsOf(longNet(1)).map(({ tensor, channels, fromLayer, before, after }) => [
      tensor,
      channels,
      fromLayer,
      before.map(({ constant }) => constant),
      after.map(({ constant }) => constant),
    ]);
    expect(found).toEqual([
      ["c1", 4, true, ["c1.w", "c1.b"], ["dw.w"]],
      ["max", 8, true, ["dw.w"], ["c2.w"]],
      ["pad", 6, true, ["c2.w", "c2.b"], ["c3.w"]],
      ["flat", 5, true, ["c3.w", "c3.b"], ["d1.w"]],
      ["shift", 7, false, ["gamma", "beta"], ["left.w", "right.w"]],
    ]);
  });

  it("are not behind a bound, at an output, where others read the tensor, nor where a weight is shared", () => {
    expect(seamsOf(longNet(1, relu6)).map(({ tensor }) => tensor)).toEqual(["pad", "flat", "shift"]);
    expect(seamsOf(mobileNet()).map(({ tensor }) => tensor)).toEqual(["se1"].map((name) => `${name}.out`));
    expect(seamsOf(plainNet()).map(({ tensor }) => tensor)).toEqual(["pool1", "flatten", "fc1.out"]);
    const long = longNet(1);
    expect(seamsOf({ ...long, outputs: [...long.outputs, "c1", "leaky"] }).map(({ tensor }) => tensor)).toEqual(["max", "flat", "shift"]);

    const b = new GraphBuilder("shared");
    const x = b.input("x", "float32", [1, 4]);
    const w = b.constant("w", "float32", [4, 4], uneven([4, 4], 3));
    const one = b.add("Dense", "one", [x, w], {});
    expect(seamsOf(b.finish([b.add("Dense", "two", [one, w], {})]))).toEqual([]);
  });

  it("take powers of two", () => {
    expect([3, 2.8, 1, 0.3, 1e-30, 0, -1, Number.NaN, Infinity].map(powerOfTwo)).toEqual([4, 2, 1, 0.25, 2 ** -20, 1, 1, 1, 1]);
  });
});

describe("cross-layer equalization", () => {
  it("keeps every output to the bit, and leaves no channel more than twice as large on one side", () => {
    fc.assert(
      fc.property(fc.nat(10_000), (seed) => {
        const graph = longNet(seed);
        const { graph: equal, seams } = equalizeLayers(graph, all(graph));
        validateGraph(equal);
        expect(seams).toBe(4);
        const samples = samplesFor(graph, 5, seed);
        expect(outputs(equal, samples)).toEqual(outputs(graph, samples));
        for (const seam of seamsOf(equal).filter(({ fromLayer }) => fromLayer)) {
          const [before, after] = [magnitudes(equal, seam.before.slice(0, 1), seam.channels), magnitudes(equal, seam.after, seam.channels)];
          before.forEach((x, c) => {
            if (x > 0 && after[c]! > 0) expect(Math.abs(Math.log2(x / after[c]!))).toBeLessThanOrEqual(1 + 1e-9);
          });
        }
      }),
      { numRuns: 25 },
    );
  });

  it("touches no layer that stays float", () => {
    const graph = longNet(5);
    const rest = new Set(graph.nodes.filter(({ name }) => name !== "c3"));
    const { graph: equal, seams } = equalizeLayers(graph, rest);
    expect(seams).toBe(2);
    for (const name of ["c3.w", "d1.w", "c2.b"]) expect(equal.tensors.get(name)).toBe(graph.tensors.get(name));
  });
});

describe("SmoothQuant", () => {
  it("keeps every output to the bit, and evens out the channels of activations", async () => {
    const graph = longNet(8);
    const { graph: smooth, seams } = await smoothActivations(graph, all(graph), 0.9, contextFor(graph, 20), "int8");
    expect(seams).toBe(4);
    const samples = samplesFor(graph, 20, 77);
    expect(outputs(smooth, samples)).toEqual(outputs(graph, samples));
    const spread = (net: Graph): number => {
      const largest = new Float64Array(7);
      const observer = observeGraph(net);
      for (const sample of samples) {
        observer.run(sample, (name, data) => {
          if (name === "shift") data.forEach((x: number, c: number) => (largest[c] = Math.max(largest[c]!, Math.abs(x))));
        });
      }
      const used = largest.filter((x) => x > 0);
      return Math.max(...used) / Math.min(...used);
    };
    expect(spread(smooth)).toBeLessThan(spread(graph) / 2);
  });

  it("is max|X|^alpha / max|W|^(1 - alpha), to the nearest power of two", async () => {
    const b = new GraphBuilder("two");
    const x = b.input("x", "float32", [1, 2]);
    const one = b.add("Dense", "one", [x, b.constant("w", "float32", [2, 2], Float32Array.of(64, 0, 0, 1))], {});
    const graph = b.finish([b.add("Dense", "two", [one, b.constant("v", "float32", [1, 2], Float32Array.of(0.25, 4))], {})]);
    const samples = [[Float32Array.of(1, -1)], [Float32Array.of(-0.5, 0.25)]];
    const context = { calibration: () => samples, observe: observeGraph };
    // sqrt(64 / 0.25) = 16 and sqrt(1 / 4) = 1/2.
    const { graph: smooth } = await smoothActivations(graph, all(graph), 0.5, context, "int8");
    expect([...smooth.tensors.get("w")!.data!]).toEqual([4, 0, 0, 2]);
    expect([...smooth.tensors.get("v")!.data!]).toEqual([4, 2]);
  });
});

describe("in a recipe", () => {
  function sqnr(graph: Graph, other: Graph): number {
    const samples = samplesFor(graph, 60, 9);
    const [want, got] = [outputs(graph, samples), outputs(other, samples)] as number[][][][];
    let [signal, noise] = [0, 0];
    want!.flat(2).forEach((x, i) => {
      signal += x ** 2;
      noise += (x - got!.flat(2)[i]!) ** 2;
    });
    return 10 * Math.log10(signal / noise);
  }

  it("equalizing and smoothing make truer integers of a net with a few loud channels", async () => {
    const next = uniform(31);
    const loud = (c: number): number => (c % 8 === 3 ? 64 : 1);
    const b = new GraphBuilder("loud");
    let x = b.input("x", "float32", [1, 16]);
    const w = b.constant(
      "w",
      "float32",
      [32, 16],
      filled(512, next).map((v, i) => v * loud(Math.floor(i / 16))),
    );
    x = b.add("Dense", "one", [x, w], { activation: relu });
    x = b.add(
      "Dense",
      "two",
      [
        x,
        b.constant(
          "v",
          "float32",
          [8, 32],
          filled(256, next).map((v, i) => v / loud(i % 32)),
        ),
      ],
      {},
    );
    const graph = b.finish([x]);
    const context = contextFor(graph, 60);
    const quality = async (recipe: string): Promise<number> => sqnr(graph, (await applyRecipe(graph, parseRecipe(recipe), context)).graph);
    const plain = await quality("int8");
    for (const option of ["smooth=0.5", "equalize=cle", "equalize=cle,smooth=0.5,bias=correct"])
      expect(await quality(`int8,${option}`)).toBeGreaterThan(plain + 10);
  });

  it("says where there is nothing to move", async () => {
    const b = new GraphBuilder("single");
    const x = b.input("x", "float32", [1, 4]);
    const graph = b.finish([b.add("Dense", "d", [x, b.constant("w", "float32", [4, 4], uneven([4, 4], 5))], {})]);
    const { steps } = await applyRecipe(graph, parseRecipe("int8,equalize=cle,smooth=0.4"), contextFor(graph));
    expect(steps[0]!.notes!.slice(0, 2).map((note) => note.split(":")[0])).toEqual([
      "equalize=cle changed nothing",
      "smooth=0.4 changed nothing",
    ]);
  });

  it("leaves shared values alone, whose number it would raise", async () => {
    const graph = plainNet();
    await expect(applyRecipe(graph, parseRecipe("cluster:8+int8,equalize=cle"), contextFor(graph))).resolves.toBeDefined();
  });
});
