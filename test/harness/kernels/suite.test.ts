/** Layers as models, suites of them, and the records that a plan makes of a suite. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { FormatError, UsageError } from "../../../src/errors.ts";
import { macsOf } from "../../../src/graph/cost.ts";
import { validateGraph } from "../../../src/graph/validate.ts";
import { kernelGraph } from "../../../src/harness/kernels/model.ts";
import { parseShapeText, shapeLabel, shapeText } from "../../../src/harness/kernels/shape.ts";
import { openModel } from "../../../src/harness/model.ts";
import { makePlan, plannedKey } from "../../../src/harness/plan.ts";
import { loadSuite } from "../../../src/harness/suite.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(content: unknown): string {
  const path = join(folder, "suite.json");
  writeFileSync(path, JSON.stringify(content));
  return path;
}

const GEMM = { name: "pw", layer: "a model, its layer", op: "gemm", m: 8, n: 16, k: 24 };
const VALID = { name: "x", about: "a", kernels: [GEMM], recipes: ["fp32"], targets: ["wasm"] };
const SWEEPS = { blocks: { recipe: "prune:X,block=1x8,include=*", zeros: [0.5, 0.9] } };

describe("shapes", () => {
  it("are text and back", () => {
    for (const text of [
      "kernel:gemm,m=768,n=256,k=256",
      "kernel:conv,input=224x224x3,outputs=32,kernel=3x3,stride=2x2,padding=same",
      "kernel:depthwise,input=25x5x64,kernel=3x3,stride=1x1,padding=valid",
    ]) {
      expect(shapeText(parseShapeText(text))).toBe(text);
    }
    expect(shapeText(parseShapeText("kernel:conv,outputs=4,kernel=10x4,input=49x10x1"))).toBe(
      "kernel:conv,input=49x10x1,outputs=4,kernel=10x4,stride=1x1,padding=same",
    );
    expect(shapeLabel(parseShapeText("kernel:depthwise,input=9x9x8,kernel=3x3,stride=2x2"))).toBe("dw3x3s2-9x9x8");
  });

  it.each([
    ["kernel:", /unknown kernel "", expected one of gemm, conv, depthwise/],
    ["kernel:gem,m=1", /unknown kernel "gem"/],
    ["kernel:gemm,m=1,n=1", /k: .*expected number/],
    ["kernel:gemm,m=0,n=1,k=1", /m: too small/],
    ["kernel:gemm,m=1,n=1,k=1,q=2", /unrecognized key: "q"/],
    ["kernel:gemm,m=1,m=2", /m is given twice/],
    ["kernel:gemm,m", /got "m", expected key=value/],
    ["kernel:gemm,op=conv", /got "op=conv"/],
    ["kernel:conv,input=8x8,outputs=4,kernel=3x3", /input: /],
    ["kernel:conv,input=8x8x2,outputs=4,kernel=3x3,padding=full", /padding: /],
  ])("%s is refused", (text, message) => {
    expect(() => parseShapeText(text)).toThrow(UsageError);
    expect(() => parseShapeText(text)).toThrow(message);
  });

  it("become graphs with the output that TensorFlow's padding gives", () => {
    const outputOf = (text: string): readonly number[] | undefined => {
      const graph = kernelGraph(parseShapeText(text));
      validateGraph(graph);
      return graph.tensors.get("y")?.shape;
    };
    expect(outputOf("kernel:gemm,m=3,n=5,k=7")).toEqual([3, 5]);
    expect(outputOf("kernel:conv,input=224x224x3,outputs=32,kernel=3x3,stride=2x2")).toEqual([1, 112, 112, 32]);
    expect(outputOf("kernel:conv,input=49x10x1,outputs=64,kernel=10x4,stride=2x2")).toEqual([1, 25, 5, 64]);
    expect(outputOf("kernel:conv,input=8x8x2,outputs=4,kernel=3x3,padding=valid")).toEqual([1, 6, 6, 4]);
    expect(outputOf("kernel:depthwise,input=7x7x8,kernel=5x5")).toEqual([1, 7, 7, 8]);
  });

  it("have the same weights every time, none of them zero", async () => {
    const text = "kernel:gemm,m=4,n=33,k=17";
    const [a, b] = await Promise.all([openModel(text), openModel("kernel:gemm,k=17,n=33,m=4")]);
    expect(a.graph.tensors.get("weights")?.data).toEqual(b.graph.tensors.get("weights")?.data);
    expect(a.path).toBe(b.path);
    expect(a.graph.tensors.get("weights")?.data?.includes(0)).toBe(false);
    expect(macsOf(a.graph, a.graph.nodes[0]!)).toBe(4 * 33 * 17);
  });
});

describe("suites of kernels", () => {
  it("the package's is about real models, names each layer once, and sweeps", () => {
    const { models, targets, recipes } = loadSuite("kernels");
    expect(targets).toEqual(["cpu", "wasm"]);
    expect(recipes).toEqual(["fp32", "int8"]);
    expect(models.length).toBeGreaterThanOrEqual(20);
    for (const word of ["MobileNetV1", "MobileNetV2", "ResNet-8", "DS-CNN", "PP-OCR"]) {
      expect(
        models.some(({ layer }) => layer?.startsWith(word)),
        word,
      ).toBe(true);
    }
    expect(new Set(models.map(({ path }) => path)).size).toBe(models.length);
    expect(models.filter(({ sweep = [] }) => sweep.length > 0).length).toBeGreaterThanOrEqual(8);
  });

  it("become models whose recipes are the suite's and the sweeps'", () => {
    const { models } = loadSuite(write({ ...VALID, kernels: [{ ...GEMM, sweeps: ["blocks"] }], sweeps: SWEEPS }));
    expect(models).toEqual([
      {
        name: "pw",
        layer: "a model, its layer",
        path: "kernel:gemm,m=8,n=16,k=24",
        sweep: ["prune:0.5,block=1x8,include=*", "prune:0.9,block=1x8,include=*"],
      },
    ]);
  });

  it("of codes become recipes that run with coded=on, on engines that can", () => {
    const path = write({
      ...VALID,
      kernels: [{ ...GEMM, sweeps: ["codes", "blocks"] }],
      sweeps: { ...SWEEPS, codes: { coded: ["cluster:16", "fp16"] } },
      targets: ["cpu", "wasm"],
    });
    const { records } = makePlan({ suite: path, seed: 1 });
    const keys = records.map(plannedKey);
    expect(keys.filter((key) => key.includes("coded"))).toEqual(["pw cluster:16 wasm:coded=on", "pw fp16 wasm:coded=on"]);
    expect(keys).toContain("pw prune:0.5,block=1x8,include=* cpu:sparse=on");
    expect(() => loadSuite(write({ ...VALID, kernels: [GEMM], sweeps: { codes: { coded: [] } } }))).toThrow(/sweeps\.codes/);
  });

  it.each([
    [{ ...VALID, kernels: [{ ...GEMM, m: 1.5 }] }, /kernels\[0\]\.m of "pw": .*expected int/],
    [{ ...VALID, kernels: [GEMM, { ...GEMM, name: "b", op: "gemv" }] }, /kernels\[1\]\.op of "b": /],
    [{ ...VALID, kernels: [{ ...GEMM, layer: undefined }] }, /kernels\[0\]\.layer of "pw": /],
    [{ ...VALID, kernels: [{ ...GEMM, stride: [1, 1] }] }, /kernels\[0\] of "pw": unrecognized key: "stride"/],
    [{ ...VALID, kernels: [{ ...GEMM, name: "a b" }] }, /kernels\[0\]\.name: expected letters/],
    [{ ...VALID, kernels: [] }, /kernels: too small/],
    [{ ...VALID, kernels: [GEMM, GEMM] }, /kernels\[1\] \(pw\): a kernel before it has the same name/],
    [
      { ...VALID, kernels: [{ ...GEMM, sweeps: ["none"] }], sweeps: SWEEPS },
      /kernels\[0\] \(pw\)\.sweeps: got "none", expected one of blocks/,
    ],
    [{ ...VALID, sweeps: { a: { recipe: "prune:0.5", zeros: [0.1, 0.2] } } }, /sweeps\.a\.recipe: expected a recipe with x/],
    [{ ...VALID, sweeps: { a: { recipe: "prune:X", zeros: [0.5, 1] } } }, /sweeps\.a\.zeros\[1\]/],
    [{ ...VALID, models: [{ name: "m", path: "m.onnx" }] }, /either "models" or "kernels", got both/],
    [{ ...VALID, kernels: undefined }, /either "models" or "kernels", got neither/],
    [{ ...VALID, kernels: undefined, models: [{ name: "m", path: "m.onnx" }], sweeps: SWEEPS }, /sweeps: only kernels are swept/],
  ])("refuses %j", (content, message) => {
    const path = write(content);
    expect(() => loadSuite(path)).toThrow(FormatError);
    expect(() => loadSuite(path)).toThrow(message);
  });

  it("refuses a sweep whose recipe does not parse", () => {
    const sweeps = { blocks: { recipe: "prun:X", zeros: [0.5, 0.9] } };
    expect(() => loadSuite(write({ ...VALID, kernels: [{ ...GEMM, sweeps: ["blocks"] }], sweeps }))).toThrow(/prun/);
  });
});

describe("plans of kernels", () => {
  const keys = (request: Partial<Parameters<typeof makePlan>[0]>): readonly string[] =>
    makePlan({ suite: write({ ...VALID, kernels: [{ ...GEMM, sweeps: ["blocks"] }], sweeps: SWEEPS }), seed: 1, ...request }).records.map(
      plannedKey,
    );

  it("sweep with kernels that skip zeros, and leave the other rows alone", () => {
    expect(keys({})).toEqual([
      "pw fp32 wasm",
      "pw prune:0.5,block=1x8,include=* wasm:sparse=on",
      "pw prune:0.9,block=1x8,include=* wasm:sparse=on",
    ]);
  });

  it("keep a target's other options and what it says about zeros", () => {
    expect(keys({ targets: ["wasm:threads=2", "wasm:sparse=off"] }).slice(2, 4)).toEqual([
      "pw prune:0.5,block=1x8,include=* wasm:threads=2,sparse=on",
      "pw prune:0.5,block=1x8,include=* wasm:sparse=off",
    ]);
  });

  it("do not sweep engines that cannot be told, nor recipes that are named", () => {
    expect(keys({ targets: ["webgpu"] })).toEqual(["pw fp32 webgpu"]);
    expect(keys({ recipes: ["int8"] })).toEqual(["pw int8 wasm"]);
  });

  it("are what single layers on the command line make too", () => {
    const plan = makePlan({ models: ["kernel:gemm,m=4,n=8,k=16"], seed: 1, targets: ["wasm"] });
    expect(plan.kernels).toBe(true);
    expect(plan.records.map(plannedKey)).toEqual(["4x8x16 fp32 wasm"]);
    expect(makePlan({ suite: "mobile", seed: 1 }).kernels).toBe(false);
  });
});
