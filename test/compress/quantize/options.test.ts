/** Options of the forms of int8: layers by op, 7-bit weights, uint8 activations, nothing but integers; and what the report says. */
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../../src/compress/apply.ts";
import type { Compressed } from "../../../src/compress/apply.ts";
import { withTensors } from "../../../src/compress/layers.ts";
import { checkPromises } from "../../../src/compress/promises.ts";
import { parseRecipe } from "../../../src/compress/recipe.ts";
import { UnsupportedError, UsageError } from "../../../src/errors.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { standardPasses } from "../../../src/graph/passes/index.ts";
import { context } from "../../engines/wasm/context.ts";
import { importTest, runOrt } from "../../formats/onnx/model.ts";
import { runGraph } from "../../graph/run.ts";
import { contextFor, mobileNet, plainNet, samplesFor } from "../nets.ts";

const apply = (graph: Graph, recipe: string): Promise<Compressed> => applyRecipe(graph, parseRecipe(recipe), contextFor(graph));

function largest(graph: Graph, name: string): number {
  return Math.max(...Array.from(graph.tensors.get(name)!.data!, Math.abs));
}

describe("words", () => {
  it.each([
    ["int8,types=Dense|Conv2D,only=a", "int8,types=Dense|Conv2D,only=a"],
    ["int8,exclude=a,strict=yes,weightbits=7:first", "int8,strict=yes,weightbits=7:first,exclude=a"],
    ["int8,strict=no,weightbits=8,activations=int8", "int8"],
    ["int8,activations=uint8", "int8,activations=uint8"],
    ["int8:dynamic,weightbits=7", "int8:dynamic,weightbits=7"],
    ["int8:weights,types=Dense", "int8:weights,types=Dense"],
  ])("%s", (text, canonical) => {
    expect(parseRecipe(text).text).toBe(canonical);
    expect(parseRecipe(canonical).text).toBe(canonical);
  });

  it.each([
    ["int8,types=Conv", /types: got "Conv", expected ops joined by "\|", e.g. Conv2D\|Dense/],
    ["int8,weightbits=6", /weightbits: got "6", expected 8, 7, 7:first/],
    ["int8,strict=maybe", /strict: got "maybe"/],
    ["int8:weights,weightbits=7", /unknown option "weightbits"/],
    ["int8:dynamic,strict=yes", /unknown option "strict"/],
  ])("%s is refused", (text, message) => {
    expect(() => parseRecipe(text)).toThrow(UsageError);
    expect(() => parseRecipe(text)).toThrow(message);
  });
});

describe("types", () => {
  it.each(["int8:weights", "int8:dynamic", "int8"])("%s takes layers of these ops alone", async (form) => {
    const { steps } = await apply(plainNet(), `${form},types=Dense`);
    expect(steps[0]!.layers).toEqual(["fc1", "fc2"]);
    expect(steps[0]!.skipped).toContainEqual({ layer: "conv1", op: "Conv2D", why: "not of the recipe's types" });
  });
});

describe("7-bit weights", () => {
  it.each(["int8", "int8:dynamic"])("%s: of all layers, or of the first", async (form) => {
    const { graph } = await apply(plainNet(), `${form},weightbits=7`);
    expect(["conv1.w", "conv2.w", "fc1.w", "fc2.w"].map((name) => largest(graph, name))).toEqual([64, 64, 64, 64]);
    const { graph: first } = await apply(plainNet(), `${form},weightbits=7:first`);
    expect(["conv1.w", "conv2.w", "fc1.w", "fc2.w"].map((name) => largest(first, name))).toEqual([64, 127, 127, 127]);
  });

  it("keep the sum of two products with uint8 inside int16", () => {
    expect(2 * 255 * 64).toBeLessThan(2 ** 15);
  });

  it("are promised", async () => {
    const { graph } = await apply(plainNet(), "int8,weightbits=7");
    const promise = { kind: "int8Grid", layer: "fc1", tensor: "fc1.w", by: "before", limit: 64 } as const;
    checkPromises(graph, [promise], "later");
    const w = graph.tensors.get("fc1.w")!;
    const data = Int8Array.from(w.data!).fill(-65, 3, 4);
    expect(() => checkPromises(withTensors(graph, [{ ...w, data }]), [promise], "later")).toThrow(/weight 3 is -65, expected -64..64/);
  });
});

describe("strict=yes", () => {
  it("names everything that would stay float", async () => {
    await apply(plainNet(), "int8,strict=yes");
    const run = apply(plainNet(), "int8,strict=yes,exclude=fc1|conv2");
    await expect(run).rejects.toThrow(UnsupportedError);
    await expect(apply(plainNet(), "int8,strict=yes,exclude=fc1|conv2")).rejects.toThrow(
      /cannot run on integers alone, \d of its layers would stay float: conv2 \(Conv2D\): excluded by the recipe; (.*; )?fc1 \(Dense\): excluded by/,
    );
  });

  it("needs no calibration to say so", async () => {
    await expect(applyRecipe(plainNet(), parseRecipe("int8,strict=yes,exclude=fc1"), {})).rejects.toThrow(
      /1 of its layers would stay float/,
    );
  });
});

describe.each([
  ["plain net", plainNet],
  ["mobile net", mobileNet],
] as const)("uint8 activations: %s", (_, make) => {
  it("are the int8 ones, 128 higher, in the file and on every engine", async () => {
    const original = standardPasses(make(), evaluateNode);
    const [{ graph: int8 }, { graph: uint8 }] = [await apply(original, "int8"), await apply(original, "int8,activations=uint8")];
    const types = [...uint8.tensors.values()]
      .filter(({ quant }) => quant !== undefined)
      .map(({ dtype, data }) => `${dtype}${data ? " constant" : ""}`);
    expect(types).toContain("uint8");
    expect(types).toContain("int8 constant");
    expect(types).not.toContain("int8");
    const file = exportOnnx(uint8);
    const back = standardPasses(importTest(file), evaluateNode);
    const [name] = uint8.inputs;
    const { shape } = uint8.tensors.get(name!)!;
    const sessions = [await cpuEngine.compile(uint8, context, {}), await wasmEngine.compile(uint8, context, {})];
    let worst = 0;
    for (const sample of samplesFor(original, 10, 5)) {
      const [want] = await runGraph(int8, sample);
      expect(await runGraph(back, sample)).toEqual([want]);
      for (const session of sessions) expect(await session.run(sample)).toEqual([want]);
      const theirs = (await runOrt(file, { [name!]: { shape, data: sample[0]! } }))[0]!.data;
      want!.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - theirs[i]!))));
    }
    expect(worst).toBeLessThanOrEqual(3 / 256);
    sessions.forEach((session) => session.dispose());
  });
});

describe("the report", () => {
  it("says what becomes of shared values", async () => {
    const { graph, steps } = await apply(plainNet(), "cluster:64,only=fc1+int8");
    expect(steps[1]!.notes).toEqual(["fc1: its 64 shared values become int8 codes of a byte each, at most as many on each scale"]);
    const row = graph.tensors.get("fc1.w")!.data!.subarray(0, 720);
    expect(new Set(row).size).toBeLessThanOrEqual(64);
    expect((await apply(plainNet(), "cluster:16,only=fc1+int8")).steps[1]!.notes ?? []).toEqual([]);
  });

  it("says where a scale was widened for a bias", async () => {
    const graph = plainNet();
    const b = graph.tensors.get("fc2.b")!;
    const w = graph.tensors.get("fc2.w")!;
    const tiny = withTensors(graph, [
      { ...w, data: Float32Array.from(w.data!, (v, i) => (i < 24 ? v * 1e-9 : v)) },
      { ...b, data: Float32Array.from(b.data!, (_, i) => (i === 0 ? 50 : 0.1)) },
    ]);
    const { steps } = await apply(tiny, "int8");
    expect(steps[0]!.notes).toEqual([
      "fc2: the scales of 1 of its channels are wider than their weights need, for their biases to fit int32",
    ]);
    expect((await apply(graph, "int8")).steps[0]!.notes).toBeUndefined();
  });
});
