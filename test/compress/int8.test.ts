import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { BIAS_LIMIT, quantizeLayer } from "../../src/compress/quantize/weights.ts";
import { INT8_FORM, asymmetricParams, perTensorQuant, quantizeConstant, symmetricParams } from "../../src/compress/quantize/params.ts";
import { splitHardswish } from "../../src/compress/quantize/split.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import { FormatError, UnsupportedError, UsageError } from "../../src/errors.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Constant, Graph, Quantization } from "../../src/graph/ir.ts";
import { validateGraph } from "../../src/graph/validate.ts";
import { argmax, contextFor, filled, mobileNet, plainNet, samplesFor, uniform } from "./nets.ts";

const int8 = parseRecipe("int8");

function outputsOf(graph: Graph, samples: readonly (readonly Float32Array[])[]): Float32Array[] {
  const observer = observeGraph(graph);
  return samples.map((sample) => observer.run(sample, () => undefined)[0] as Float32Array);
}

function constant(shape: readonly number[], data: readonly number[]): Constant {
  return { name: "w", dtype: "float32", shape, data: Float32Array.from(data) };
}

describe("parameters", () => {
  it("matches ONNX Runtime's asymmetric int8 on [-1, 3]", () => {
    const params = asymmetricParams({ min: -1, max: 3 });
    expect(params.scale).toBeCloseTo(0.0156862745, 10);
    expect(params.zeroPoint).toBe(-64);
    expect([...quantizeConstant([-1, 0, 0.5, 3, 5], perTensorQuant(params), INT8_FORM)]).toEqual([-128, -64, -32, 127, 127]);
  });

  it("widens a range to hold zero", () => {
    expect(asymmetricParams({ min: 1, max: 3 })).toEqual({ scale: 3 / 255, zeroPoint: -128 });
    expect(asymmetricParams({ min: -3, max: -1 })).toEqual({ scale: 3 / 255, zeroPoint: 127 });
    expect(asymmetricParams({ min: 0, max: 0 })).toEqual({ scale: 1, zeroPoint: 0 });
  });

  it("gives uint8 symmetric on [-1, 3] the middle of 0..254", () => {
    expect(symmetricParams({ min: -1, max: 3 }, 0, 254)).toEqual({ scale: 6 / 254, zeroPoint: 127 });
  });

  it("represents zero exactly on every grid", () => {
    const next = uniform(5);
    for (let i = 0; i < 200; i++) {
      const [a, b] = [next() * 10 ** (next() * 6), next() * 10 ** (next() * 6)];
      const { scale, zeroPoint } = asymmetricParams({ min: Math.min(a, b), max: Math.max(a, b) });
      expect(Number.isInteger(zeroPoint) && zeroPoint >= -128 && zeroPoint <= 127).toBe(true);
      expect(scale).toBeGreaterThan(0);
    }
  });
});

describe("weights", () => {
  it("matches ONNX Runtime's per-channel symmetric codes, half to even", () => {
    const { weight, weightQuant } = quantizeLayer(constant([2, 3], [0.5, -1, 0.25, 0.02, 0.01, -0.03]), 0, undefined, 1);
    expect([...weight]).toEqual([64, -127, 32, 85, 42, -127]);
    expect(weightQuant.axis).toBe(0);
    expect(weightQuant.scales[0]).toBeCloseTo(1 / 127, 8);
    expect(weightQuant.scales[1]).toBeCloseTo(0.03 / 127, 8);
    expect([...weightQuant.zeroPoints]).toEqual([0, 0]);
  });

  it("takes channels from axis 3 of depthwise weights", () => {
    const { weight, weightQuant } = quantizeLayer(constant([1, 1, 2, 2], [1, 10, -0.5, -5]), 3, undefined, 1);
    expect([...weight]).toEqual([127, 127, -64, -64]);
    expect(weightQuant).toMatchObject({ axis: 3 });
    expect(weightQuant.scales.length).toBe(2);
  });

  it("puts the bias on the accumulator's grid", () => {
    const { bias, biasQuant, weightQuant } = quantizeLayer(constant([2, 1], [1.27, -2.54]), 0, [0.5, -1], 0.5);
    expect([...biasQuant!.scales]).toEqual([...weightQuant.scales].map((s) => Math.fround(0.5 * s)));
    expect([...bias!]).toEqual([100, -100]);
  });

  it("widens a channel's scale where its bias would leave int32", () => {
    const { bias, weight, weightQuant } = quantizeLayer(constant([2, 2], [1e-9, -1e-9, 0.1, 0.2]), 0, [50, 1], 0.001);
    expect(Math.abs(bias![0]!)).toBeLessThanOrEqual(BIAS_LIMIT);
    expect(bias![0]! * weightQuant.scales[0]! * 0.001).toBeCloseTo(50, 4);
    expect([...weight.subarray(2)]).toEqual([64, 127]);
  });

  it("keeps the bias of a channel without weights precise", () => {
    const { bias, weight, weightQuant } = quantizeLayer(constant([2, 1], [0, 1]), 0, [0.3333, 0], 0.02);
    expect(weight[0]).toBe(0);
    expect(bias![0]! * weightQuant.scales[0]! * 0.02).toBeCloseTo(0.3333, 5);
    expect(quantizeLayer(constant([1, 1], [0]), 0, undefined, 1).weightQuant.scales[0]).toBe(1);
  });
});

describe("integer graph", () => {
  it.each([
    ["plain", plainNet()],
    ["mobile", mobileNet()],
  ])("%s: gives nearly the float outputs, in int8 all the way", async (_, graph) => {
    const result = await applyRecipe(graph, int8, contextFor(graph));
    validateGraph(result.graph);
    expect(result.steps).toEqual([{ step: "int8", layers: expect.any(Array) as string[], skipped: [] }]);

    // Floats at the two borders only.
    const floats = [...result.graph.tensors.values()].filter((t) => t.dtype === "float32").map((t) => t.name);
    expect(floats).toEqual([graph.inputs[0], graph.outputs[0]]);
    const conversions = result.graph.nodes.filter((n) => n.op === "Quantize" || n.op === "Dequantize");
    expect(conversions.map((n) => n.op)).toEqual(["Quantize", "Dequantize"]);

    const samples = samplesFor(graph, 200, 5) as readonly (readonly Float32Array[])[];
    const [want, got] = [outputsOf(graph, samples), outputsOf(result.graph, samples)];
    let agree = 0;
    let signal = 0;
    let noise = 0;
    want.forEach((w, i) => {
      if (argmax(w) === argmax(got[i]!)) agree++;
      w.forEach((x, k) => {
        signal += x * x;
        noise += (x - got[i]![k]!) ** 2;
      });
    });
    expect(agree).toBeGreaterThanOrEqual(180);
    expect(10 * Math.log10(signal / noise)).toBeGreaterThan(28);
  });

  it("follows the specification's grids", async () => {
    const graph = mobileNet();
    const { graph: q } = await applyRecipe(graph, int8, contextFor(graph));
    const grid = (node: string): Quantization => {
      const found = q.nodes.find((n) => n.name === node);
      return q.tensors.get(found!.outputs[0]!)!.quant!;
    };
    const inputGrid = (node: string): Quantization => {
      const found = q.nodes.find((n) => n.name === node);
      return q.tensors.get(found!.inputs[0]!)!.quant!;
    };
    expect(grid("softmax")).toEqual({ scales: Float32Array.of(1 / 256), zeroPoints: Int32Array.of(-128) });
    expect(grid("side")).toEqual({ scales: Float32Array.of(1 / 256), zeroPoints: Int32Array.of(-128) });
    for (const node of ["to_nhwc", "pad", "pool"]) expect(grid(node)).toEqual(inputGrid(node));
    // The residual's clamp at 0..6 is observed after the activation, and the concat shares its grid with it, not with the pinned side.
    expect(grid("concat")).toEqual(grid("residual"));
    expect(grid("residual").zeroPoints[0]).toBe(-128);
    expect(grid("concat")).not.toEqual(grid("side"));
  });

  it("splits a fused hardswish before calibrating", async () => {
    const graph = mobileNet();
    const split = splitHardswish(graph);
    validateGraph(split);
    expect(split.nodes.map((n) => n.name)).toContain("stem_hardswish");
    const samples = samplesFor(graph, 3, 9) as readonly (readonly Float32Array[])[];
    const [want, got] = [outputsOf(graph, samples), outputsOf(split, samples)];
    want.forEach((w, i) => w.forEach((x, k) => expect(got[i]![k]).toBeCloseTo(x, 5)));
    const { graph: q } = await applyRecipe(graph, int8, contextFor(graph));
    const stem = q.nodes.find((n) => n.name === "stem")!;
    expect(q.tensors.get(stem.outputs[0]!)!.quant!.zeroPoints[0]).toBeGreaterThan(-128);
  });

  it("leaves an op without integer form float between conversions, and says so", async () => {
    const b = new GraphBuilder("odd");
    const next = uniform(3);
    const x = b.input("x", "float32", [1, 8]);
    const w = b.constant("w", "float32", [8, 8], filled(64, next));
    const d = b.add("Dense", "d", [x, w], {});
    const two = b.constant("two", "float32", [], Float32Array.of(2));
    const p = b.add("Binary", "square", [d, two], { fn: "pow" });
    const r = b.add("Reshape", "reshape", [p], {}, { shape: [8, 1] });
    const graph = b.finish([r]);
    const { graph: q, steps } = await applyRecipe(graph, int8, contextFor(graph));
    expect(steps[0]).toEqual({
      step: "int8",
      layers: ["d"],
      skipped: [
        { layer: "square", op: "Binary", why: "pow has no integer form" },
        { layer: "reshape", op: "Reshape", why: "moves values that are float" },
      ],
    });
    expect(q.nodes.map((n) => n.op)).toEqual(["Quantize", "Dense", "Dequantize", "Binary", "Reshape"]);
    expect(q.tensors.get("two")?.dtype).toBe("float32");
  });

  it("shares one Quantize between readers, and gives a shared weight to each layer on its own grid", async () => {
    const b = new GraphBuilder("shared");
    const next = uniform(4);
    const x = b.input("x", "float32", [1, 4]);
    const w = b.constant("w", "float32", [4, 4], filled(16, next));
    const bias = b.constant("b", "float32", [4], filled(4, next));
    const one = b.add("Dense", "one", [x, w, bias], {});
    const two = b.add("Dense", "two", [one, w, bias], {});
    const sum = b.add("Binary", "sum", [two, x], { fn: "add" });
    const graph = b.finish([sum, one]);
    const { graph: q } = await applyRecipe(graph, int8, contextFor(graph));
    expect(q.nodes.filter((n) => n.op === "Quantize").length).toBe(1);
    expect(q.nodes.find((n) => n.name === "one")!.inputs.slice(1)).toEqual(["w", "b"]);
    expect(q.nodes.find((n) => n.name === "two")!.inputs.slice(1)).toEqual(["w_int8", "b_int8"]);
    expect(q.outputs.map((name) => q.tensors.get(name)!.dtype)).toEqual(["float32", "float32"]);
    expect(q.outputs).toEqual(graph.outputs);
  });

  it("sends an addition of far-apart scales back to float", async () => {
    const b = new GraphBuilder("far");
    const x = b.input("x", "float32", [1, 2]);
    const big = b.constant("big", "float32", [2], Float32Array.of(1000, -1000));
    const one = b.add("Binary", "one", [x, big], { fn: "add" });
    const two = b.add("Binary", "two", [one, big], { fn: "sub" });
    const graph = b.finish([two]);
    const { steps } = await applyRecipe(graph, int8, contextFor(graph));
    expect(steps[0]?.skipped).toEqual([{ layer: "two", op: "Binary", why: "its scales lie too far apart for integer addition" }]);
    expect(steps[0]?.layers).toEqual(["one"]);
  });

  it("honours exclude", async () => {
    const graph = plainNet();
    const { steps, graph: q } = await applyRecipe(graph, parseRecipe("int8,exclude=fc*"), contextFor(graph));
    expect(steps[0]?.skipped.map((s) => `${s.layer}: ${s.why}`)).toEqual(["fc1: excluded by the recipe", "fc2: excluded by the recipe"]);
    expect(q.tensors.get("fc1.w")?.dtype).toBe("float32");
    expect(q.tensors.get("conv2.w")?.dtype).toBe("int8");
  });

  it("refuses a model that is quantized already, and calibration that cannot work", async () => {
    const graph = plainNet();
    const context = contextFor(graph);
    const { graph: q } = await applyRecipe(graph, int8, context);
    await expect(applyRecipe(q, int8, context)).rejects.toThrow(UnsupportedError);
    await expect(applyRecipe(q, int8, context)).rejects.toThrow(/is quantized already: tensor ".*" is int(8|32)\. Use fp32/);
    await expect(applyRecipe(graph, int8, {})).rejects.toThrow(
      new UsageError("recipe step int8: needs calibration samples. Name a dataset with --dataset"),
    );
    await expect(applyRecipe(graph, int8, { ...context, calibration: () => [] })).rejects.toThrow("got 0 calibration samples");
    const nan = [Float32Array.from({ length: 144 }, (_, i) => (i === 7 ? Number.NaN : 0))];
    await expect(applyRecipe(graph, int8, { ...context, calibration: () => [nan] })).rejects.toThrow(FormatError);
    await expect(applyRecipe(graph, int8, { ...context, calibration: () => [nan] })).rejects.toThrow(
      'tensor "image" takes a value that is not finite',
    );
  });

  it("takes calibration samples from an asynchronous source and is reproducible", async () => {
    const graph = plainNet();
    const context = contextFor(graph, 10);
    async function* stream(): AsyncGenerator<readonly Float32Array[]> {
      for (const sample of samplesFor(graph, 10, 77)) {
        await Promise.resolve();
        yield sample as readonly Float32Array[];
      }
    }
    const a = await applyRecipe(graph, int8, context);
    const b = await applyRecipe(graph, int8, { ...context, calibration: stream });
    expect(b.graph).toEqual(a.graph);
  });
});
