/** `int8:weights`: codes and scales, what is skipped, sizes, promises, and the file: onnxruntime computes the same, reading it back gives the same. */
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../../src/compress/apply.ts";
import { withTensors } from "../../../src/compress/layers.ts";
import { checkPromises } from "../../../src/compress/promises.ts";
import { parseRecipe } from "../../../src/compress/recipe.ts";
import { graphStats } from "../../../src/compress/stats.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { decode, withoutCode } from "../../../src/graph/code.ts";
import type { Graph, Int8Code, Tensor } from "../../../src/graph/ir.ts";
import { standardPasses } from "../../../src/graph/passes/index.ts";
import { importTest, runOrt } from "../../formats/onnx/model.ts";
import { runGraph } from "../../graph/run.ts";
import { contextFor, mobileNet, plainNet, samplesFor } from "../nets.ts";

const RECIPE = "int8:weights";
const LAYERS = ["stem", "dw", "project", "head"];

async function apply(graph: Graph, recipe = RECIPE): Promise<Graph> {
  return (await applyRecipe(graph, parseRecipe(recipe), contextFor(graph))).graph;
}

function codeOf(tensor: Tensor | undefined): Int8Code {
  if (tensor?.code?.kind !== "int8") throw new Error("no int8 code");
  return tensor.code;
}

describe("the weights", () => {
  it("are code × scale, the largest of a channel 127 steps, along the channels of each op", async () => {
    const before = mobileNet();
    const graph = await apply(before);
    for (const name of LAYERS) {
      const tensor = graph.tensors.get(`${name}.w`)!;
      const code = codeOf(tensor);
      expect(code.axis).toBe(name === "dw" ? 3 : 0);
      const original = before.tensors.get(`${name}.w`)!.data!;
      const channels = code.scales.length;
      const inner = name === "dw" ? 1 : original.length / channels;
      const most = new Array<number>(channels).fill(0);
      original.forEach((w, i) => {
        const c = Math.floor(i / inner) % channels;
        most[c] = Math.max(most[c]!, Math.abs(code.codes[i]!));
        expect(Math.abs(tensor.data![i]! - w)).toBeLessThanOrEqual(code.scales[c]! * 0.500001);
      });
      expect(most).toEqual(most.map(() => 127));
    }
    expect(graph.tensors.get("head.b")).toEqual(before.tensors.get("head.b"));
  });

  it("are the codes of the static form, so that both agree on accuracy of weights", async () => {
    const [weights, whole] = [await apply(plainNet()), await apply(plainNet(), "int8")];
    expect(codeOf(weights.tensors.get("conv1.w")).codes).toEqual(whole.tensors.get("conv1.w")!.data);
    expect(codeOf(weights.tensors.get("conv1.w")).scales).toEqual(whole.tensors.get("conv1.w")!.quant!.scales);
  });

  it("take one byte each, and four for a scale", async () => {
    const { totals } = graphStats(await apply(plainNet()));
    const channels = 6 + 20 + 24 + 10;
    expect(totals.weightBytes).toBe(6 * 9 + 20 * 54 + 720 * 24 + 240 + 4 * channels + 4 * channels);
  });
});

describe("layers", () => {
  it("can be named, and are skipped with a reason", async () => {
    const graph = plainNet();
    const fc1 = graph.tensors.get("fc1.w")!;
    const odd = withTensors(graph, [{ ...fc1, data: Float32Array.from(fc1.data!, (w, i) => (i === 3 ? NaN : w)) }]);
    const { steps } = await applyRecipe(odd, parseRecipe("int8:weights,only=conv*|fc1,exclude=conv2"), {});
    expect(steps[0]!.layers).toEqual(["conv1"]);
    expect(steps[0]!.skipped).toEqual([
      { layer: "conv2", op: "Conv2D", why: "excluded by the recipe" },
      { layer: "fc1", op: "Dense", why: "weights are not all finite" },
      { layer: "fc2", op: "Dense", why: "not among the recipe's layers" },
    ]);
    await expect(applyRecipe(graph, parseRecipe("int8:weights,only=nothing"), {})).rejects.toThrow(
      'recipe step int8:weights,only=nothing: only: no layer of "plain" is named "nothing"',
    );
  });

  it("keep their shared values, which need no more bits", async () => {
    const { graph, steps } = await applyRecipe(plainNet(), parseRecipe("cluster:16,only=fc1+int8:weights"), {});
    expect(graph.tensors.get("fc1.w")!.code!.kind).toBe("codebook");
    expect(steps[1]!.skipped).toEqual([{ layer: "fc1", op: "Dense", why: "its 16 shared values take no more bits as they are" }]);
  });

  it("keep the zeros of a pruned model", async () => {
    const graph = await apply(plainNet(), "prune:0.5+int8:weights");
    const { data } = graph.tensors.get("fc1.w")!;
    expect(data!.filter((w) => w === 0).length).toBeGreaterThanOrEqual(0.5 * data!.length);
  });

  it("of an integer model are refused", async () => {
    const whole = await apply(plainNet(), "int8");
    await expect(applyRecipe(whole, parseRecipe(RECIPE), {})).rejects.toThrow(/is quantized already: the weights of "conv1" are int8/);
  });
});

describe("the promise", () => {
  const promise = { kind: "int8Code", layer: "fc1", tensor: "fc1.w", by: "before" } as const;

  it("notices weights off their codes", async () => {
    const graph = await apply(plainNet());
    checkPromises(graph, [promise], "later");
    const w = graph.tensors.get("fc1.w")!;
    expect(() => checkPromises(plainNet(), [promise], "later")).toThrow(/its weights have no code, expected int8/);
    const code = { ...codeOf(w), codes: codeOf(w).codes.slice().fill(-128, 7, 8) };
    expect(() => checkPromises(withTensors(graph, [{ ...w, code, data: decode(code, w.shape) }]), [promise], "later")).toThrow(
      /weight 7 has code -128/,
    );
  });
});

describe.each([
  ["plain net", plainNet],
  ["mobile net", mobileNet],
] as const)("%s as ONNX", (_, make) => {
  it("holds int8 weights, is the same model in onnxruntime, and is read back code by code", async () => {
    const original = standardPasses(make(), evaluateNode);
    const graph = await apply(original);
    const file = exportOnnx(graph);
    const weights = graphStats(graph).layers.reduce((sum, { weight }) => sum + (weight?.count ?? 0), 0);
    expect(exportOnnx(original).byteLength - file.byteLength).toBeGreaterThan(1.5 * weights);
    const back = standardPasses(importTest(file), evaluateNode);
    const codes = (g: Graph): readonly Int8Code[] => [...g.tensors.values()].flatMap(({ code }) => (code?.kind === "int8" ? [code] : []));
    expect(codes(back)).toEqual(codes(graph));
    expect(codes(graph)).toHaveLength(make === plainNet ? 4 : 6);
    expect(graphStats(back).totals.weightBytes).toBe(graphStats(graph).totals.weightBytes);
    const [name] = graph.inputs;
    const { shape } = graph.tensors.get(name!)!;
    for (const sample of samplesFor(original, 10, 5)) {
      const [ours] = await runGraph(graph, sample);
      const [again] = await runGraph(back, sample);
      expect(again).toEqual(ours);
      const theirs = (await runOrt(file, { [name!]: { shape, data: sample[0]! } }))[0]!.data;
      ours!.forEach((value, i) => expect(Math.abs(value - theirs[i]!)).toBeLessThan(1e-5));
    }
  });

  it("differs from the file of the plain weights, so that the comparison means something", async () => {
    const original = standardPasses(make(), evaluateNode);
    const graph = await apply(original);
    const [sample] = samplesFor(original, 1, 5);
    expect(await runGraph(graph, sample!)).not.toEqual(await runGraph(original, sample!));
    const plain = withTensors(
      graph,
      [...graph.tensors.values()].map((tensor) => withoutCode(tensor)),
    );
    expect(await runGraph(plain, sample!)).toEqual(await runGraph(graph, sample!));
  });
});
