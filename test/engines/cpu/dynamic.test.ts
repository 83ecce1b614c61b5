/** Layers that quantize their input at run time on the CPU engine: equal to plain loops over the definition, to the bit. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { dynamicLayer, isDynamic } from "../../../src/graph/dynamic.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { dynamicGrid, dynamicResult, roundHalfEven } from "../../../src/graph/numerics.ts";
import { validateGraph } from "../../../src/graph/validate.ts";
import { dynamicDense, dynamicGraphs, dynamicInput } from "../dynamic.ts";

const context = { readAsset: () => Promise.reject(new Error("no files")), now: () => 0 };

async function run(graph: Graph, x: Float32Array): Promise<Float32Array> {
  const session = await cpuEngine.compile(graph, context, {});
  const [out] = await session.run([x]);
  session.dispose();
  return out as Float32Array;
}

/** NHWC loops; a dense layer is a 1×1 convolution of an image with one column. */
function byDefinition(graph: Graph, x: Float32Array): Float32Array {
  const node = graph.nodes[0]!;
  if (!isDynamic(node)) throw new Error("dynamic layer expected");
  const { w, scales, bias, out, x: input } = dynamicLayer(graph, node);
  const conv = node.op === "Conv2D";
  const [batch, height, width, channels] = conv ? input.shape : [1, input.shape[0]!, 1, input.shape[1]!];
  const [outChannels, kh, kw, perGroup] = conv ? w.shape : [w.shape[0]!, 1, 1, w.shape[1]!];
  const [, oh, ow] = conv ? out.shape : [1, input.shape[0]!, 1];
  const { strides, dilations, pads, groups } = conv ? node.attrs : { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1 };
  const grid = dynamicGrid(Math.min(...x), Math.max(...x));
  const q = Array.from(
    x,
    (v) => Math.min(Math.max(roundHalfEven(Math.fround(v * grid.inverse)) + grid.zeroPoint, -128), 127) - grid.zeroPoint,
  );
  const result = new Float32Array(out.shape.reduce((size, d) => size * d, 1));
  let at = 0;
  for (let b = 0; b < batch!; b++)
    for (let y = 0; y < oh!; y++)
      for (let u = 0; u < ow!; u++)
        for (let o = 0; o < outChannels!; o++, at++) {
          const first = Math.floor(o / (outChannels! / groups)) * perGroup!;
          let acc = 0;
          for (let i = 0; i < kh!; i++)
            for (let j = 0; j < kw!; j++) {
              const [row, column] = [y * strides[0] + i * dilations[0] - pads[0], u * strides[1] + j * dilations[1] - pads[1]];
              if (row < 0 || column < 0 || row >= height! || column >= width!) continue;
              for (let c = 0; c < perGroup!; c++)
                acc +=
                  q[((b * height! + row) * width! + column) * channels! + first + c]! * w.data[((o * kh! + i) * kw! + j) * perGroup! + c]!;
            }
          const v = dynamicResult(acc, grid.scale, scales[o]!, bias[o]!);
          const { activation } = node.attrs;
          result[at] = activation?.kind === "clamp" ? Math.min(Math.max(v, activation.min), activation.max) : v;
        }
  return result;
}

describe("the grid", () => {
  it("is ONNX's DynamicQuantizeLinear, its codes less 128", () => {
    // The examples of the operator's documentation: [0, 2, -3, -2.5, 1.34, 0.5], [-1, -2.1, -1.3, -2.5, -3.34, -4] and one that is all positive.
    const codes = (x: readonly number[]): readonly number[] => {
      const { inverse, zeroPoint } = dynamicGrid(Math.fround(Math.min(...x)), Math.fround(Math.max(...x)));
      return x.map((v) => roundHalfEven(Math.fround(Math.fround(v) * inverse)) + zeroPoint + 128);
    };
    // -2.5 lies on half a step: divided by the scale it is 26 there, times its reciprocal 25.
    expect(codes([0, 2, -3, -2.5, 1.34, 0.5])).toEqual([153, 255, 0, 25, 221, 179]);
    expect(codes([-1, -2.1, -1.3, -2.5, -3.34, -4])).toEqual([191, 121, 172, 96, 42, 0]);
    expect(codes([1, 2.1, 1.3, 2.5, 3.34, 4, 1.5, 2.6, 3.9, 4, 3, 2.345])).toEqual([
      64, 134, 83, 159, 213, 255, 96, 166, 249, 255, 191, 149,
    ]);
  });

  it("has the step 1 where there is no range to speak of", () => {
    expect(dynamicGrid(0, 0)).toEqual({ scale: 1, inverse: 1, zeroPoint: -128 });
    expect(dynamicGrid(-1e-40, 1e-40)).toEqual({ scale: 1, inverse: 1, zeroPoint: -128 });
  });

  it("holds the whole range, 0 exactly", () => {
    const value = fc.float({ min: Math.fround(-1e30), max: Math.fround(1e30), noNaN: true });
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [min, max] = [Math.min(a, b, 0), Math.max(a, b, 0)];
        const { scale, inverse, zeroPoint } = dynamicGrid(Math.min(a, b), Math.max(a, b));
        for (const v of [min, max]) {
          const q = Math.min(Math.max(roundHalfEven(Math.fround(v * inverse)) + zeroPoint, -128), 127);
          expect(Math.abs((q - zeroPoint) * scale - v)).toBeLessThanOrEqual(scale * 1.0001);
        }
        expect(zeroPoint).toBeGreaterThanOrEqual(-128);
        expect(zeroPoint).toBeLessThanOrEqual(127);
      }),
    );
  });
});

describe("layers", () => {
  it.each(dynamicGraphs())("%s", async (_, graph) => {
    for (const kind of ["signed", "positive", "zero"] as const) {
      const x = dynamicInput(graph, 3, kind);
      expect(await run(graph, x)).toEqual(byDefinition(graph, x));
    }
  });

  it("differ when one weight does, so that equality means something", async () => {
    const graph = dynamicDense({ seed: 1 }, 3, 5, 9);
    const w = graph.tensors.get("w")!;
    const data = Int8Array.from(w.data!);
    data[7] = data[7]! + 1;
    const x = dynamicInput(graph, 3);
    expect(await run({ ...graph, tensors: new Map(graph.tensors).set("w", { ...w, data }) }, x)).not.toEqual(await run(graph, x));
  });
});

describe("validation refuses", () => {
  const graph = dynamicDense({ seed: 1 }, 3, 5, 9);
  const w = graph.tensors.get("w")!;
  const refused = (change: object, message: RegExp): void => {
    expect(() => validateGraph({ ...graph, tensors: new Map(graph.tensors).set("w", { ...w, ...change }) })).toThrow(message);
  };

  it("weights that are no int8 constant without zero point, along the output channels", () => {
    refused({ dtype: "float32", data: new Float32Array(45), quant: undefined }, /weights are no int8 constant with a scale/);
    refused({ quant: { ...w.quant!, zeroPoints: w.quant!.zeroPoints.map(() => 1) } }, /weights have a zero point, expected 0/);
    refused(
      { quant: { scales: new Float32Array(9).fill(1), zeroPoints: new Int32Array(9), axis: 1 } },
      /weight scales along axis 1, expected 0/,
    );
  });

  it("more products than fit int32, and an integer bias", () => {
    expect(() => dynamicDense({ seed: 1 }, 1, 1, 70_000)).toThrow(/adds 70000 products, expected at most 65793/);
    const bias = { ...graph.tensors.get("bias")!, dtype: "int32" as const, data: new Int32Array(5) };
    expect(() => validateGraph({ ...graph, tensors: new Map(graph.tensors).set("bias", bias) })).toThrow(
      /a bias that is no float32 constant/,
    );
  });
});
