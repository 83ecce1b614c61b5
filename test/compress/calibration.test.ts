/** Calibration inside the step int8: the choice of calibrator, tables saved and taken up, grids that a recipe sets, notes on outliers. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import type { Compressed } from "../../src/compress/apply.ts";
import { calibrate, rangesOf } from "../../src/compress/quantize/calibrate.ts";
import type { CalibrationTable } from "../../src/compress/quantize/table.ts";
import { parseRecipe, readRecipeFile } from "../../src/compress/recipe.ts";
import type { CompressContext } from "../../src/compress/steps.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import { FormatError, UsageError } from "../../src/errors.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Quantization } from "../../src/graph/ir.ts";
import { argmax, contextFor, mobileNet, plainNet, samplesFor } from "./nets.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-calibration-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const graph = plainNet();
const run = (recipe: string, context: CompressContext = contextFor(graph), model: Graph = graph): Promise<Compressed> =>
  applyRecipe(model, parseRecipe(recipe), context);

/** The grid of the tensor that a node of the integer graph writes. */
function gridOf({ graph: q }: Compressed, node: string): Quantization {
  const found = q.nodes.find(({ name }) => name === node)!;
  return q.tensors.get(found.outputs[0]!)!.quant!;
}

describe("calibrators in a recipe", () => {
  it.each(["minmax", "moving", "entropy", "percentile", "mse"])("%s keeps most decisions of the float net", async (calibrator) => {
    const { graph: q } = await run(`int8,calibrator=${calibrator}`);
    const [float, integer] = [observeGraph(graph), observeGraph(q)];
    const same = samplesFor(graph, 100, 5).filter(
      (x) => argmax(float.run(x, () => undefined)[0]!) === argmax(integer.run(x, () => undefined)[0]!),
    );
    expect(same.length).toBeGreaterThanOrEqual(88);
  });

  it("minmax is the default, and the others give other grids", async () => {
    const plain = await run("int8");
    expect((await run("int8,calibrator=minmax")).graph).toEqual(plain.graph);
    const scales = new Set<number>();
    for (const calibrator of ["minmax", "moving", "moving,average=0.5", "entropy", "percentile,percentile=99", "mse"])
      scales.add(gridOf(await run(`int8,calibrator=${calibrator}`), "fc1").scales[0]!);
    expect(scales.size).toBeGreaterThanOrEqual(5);
  });

  it("averages over the samples in their order", async () => {
    const b = new GraphBuilder("one");
    const x = b.input("x", "float32", [2]);
    const net = b.finish([b.add("Unary", "y", [x], { fn: "abs" })]);
    const samples = [
      [-1, 1],
      [-3, 1],
      [0, 101],
    ].map((pair) => [Float32Array.from(pair)]);
    const seen = await calibrate(net, { calibration: () => samples, observe: observeGraph }, "int8", { kind: "moving", average: 0.01 });
    const range = rangesOf(seen, { kind: "moving", average: 0.01 }).get("x")!;
    expect(range.min).toBeCloseTo(-1.0098, 12);
    expect(range.max).toBeCloseTo(2, 12);
    expect(rangesOf(seen, { kind: "minmax" }).get("x")).toEqual({ min: -3, max: 101 });
  });
});

describe("a calibration table", () => {
  const path = join(folder, "table.json");
  const save = async (recipe: string): Promise<{ readonly table: CalibrationTable; readonly direct: Compressed }> => {
    let table: CalibrationTable | undefined;
    const direct = await run(recipe, { ...contextFor(graph), onCalibration: (t) => void (table = t) });
    writeFileSync(path, JSON.stringify(table));
    return { table: table!, direct };
  };

  it.each(["int8", "int8,calibrator=percentile,percentile=99.5", "prune:0.5+int8,calibrator=mse"])(
    "of %s stands in for the samples, to the bit",
    async (recipe) => {
      const { table, direct } = await save(recipe);
      expect(table).toMatchObject({ schema: "slimbench/calibration@1", model: "plain", samples: 40 });
      const start = recipe.startsWith("prune") ? "prune:0.5+" : "";
      const reused = await run(`${start}int8,table=${path}`, {});
      expect(reused.graph).toEqual(direct.graph);
    },
  );

  it("is refused for other weights, another calibrator, and where it is no table", async () => {
    await save("int8,calibrator=entropy");
    await expect(run(`int8,table=${path}`, {}, plainNet(2))).rejects.toThrow(UsageError);
    await expect(run(`int8,table=${path}`, {}, plainNet(2))).rejects.toThrow(
      /is a table of another graph, got "plain" \w{12}, expected "plain" \w{12}/,
    );
    await expect(run(`prune:0.5+int8,table=${path}`, {})).rejects.toThrow("is a table of another graph");
    await expect(run(`int8,calibrator=mse,table=${path}`, {})).rejects.toThrow(
      "another calibrator, got entropy, expected mse. Calibrate again",
    );
    await expect(run(`int8,calibrator=minmax,table=${path}`, {})).rejects.toThrow("got entropy, expected minmax");
    await expect(run(`int8,calibrator=entropy,table=${path}`, {})).resolves.toBeDefined();
    await expect(run(`int8,table=${join(folder, "none.json")}`, {})).rejects.toThrow(FormatError);

    const good = JSON.parse(readFileSync(path, "utf8")) as CalibrationTable;
    const fault = async (change: Record<string, unknown>): Promise<string> => {
      writeFileSync(path, JSON.stringify({ ...good, ...change }));
      return run(`int8,table=${path}`, {}).then(
        () => "accepted",
        (error: unknown) => (error instanceof FormatError ? error.message.slice(path.length + 2) : String(error)),
      );
    };
    expect(await fault({})).toBe("accepted");
    expect(await fault({ schema: "x" })).toBe('schema: got "x", expected "slimbench/calibration@1"');
    expect(await fault({ schema: undefined })).toBe('schema: got none, expected "slimbench/calibration@1"');
    expect(await fault({ samples: 0 })).toBe("samples: expected an integer from 1 on");
    expect(await fault({ fingerprint: 3 })).toBe('expected texts "model", "fingerprint" and "calibrator"');
    expect(await fault({ ranges: [] })).toBe("ranges: expected an object");
    expect(await fault({ ranges: { ...good.ranges, image: [1] } })).toBe("ranges: image: got [1], expected [min, max]");
    expect(await fault({ ranges: { ...good.ranges, image: [1, 0] } })).toBe("ranges: image: got [1,0], expected [min, max]");
    expect(await fault({ ranges: { image: [0, 1] } })).toMatch(/^ranges: tensor "conv1.out" is missing/);
    writeFileSync(path, "{");
    await expect(run(`int8,table=${path}`, {})).rejects.toThrow("cannot be read as a calibration table");
    writeFileSync(path, "[]");
    await expect(run(`int8,table=${path}`, {})).rejects.toThrow("expected an object");
  });
});

describe("rules for ranges", () => {
  it("pin the outputs of tanh, sigmoid and softmax as TFLite's specification does", async () => {
    const b = new GraphBuilder("pinned");
    const x = b.input("x", "float32", [1, 8]);
    const ys = [
      b.add("Unary", "tanh", [x], { fn: "tanh" }),
      b.add("Unary", "sigmoid", [x], { fn: "sigmoid" }),
      b.add("Softmax", "softmax", [x], { axis: 1, beta: 1 }),
    ];
    const net = b.finish(ys);
    const result = await run("int8,ranges=symmetric", contextFor(net), net);
    expect(gridOf(result, "tanh")).toEqual({ scales: Float32Array.of(1 / 128), zeroPoints: Int32Array.of(0) });
    for (const node of ["sigmoid", "softmax"])
      expect(gridOf(result, node)).toEqual({ scales: Float32Array.of(1 / 256), zeroPoints: Int32Array.of(-128) });
  });

  it("reach every activation but the pinned ones", async () => {
    const symmetric = await run("int8,ranges=symmetric");
    for (const node of ["conv1", "fc1", "fc2"]) expect([...gridOf(symmetric, node).zeroPoints]).toEqual([0]);
    expect([...gridOf(symmetric, "softmax").zeroPoints]).toEqual([-128]);
    expect((await run("int8,ranges=tflite")).steps[0]!.step).toBe("int8,ranges=tflite");
  });
});

describe("grids that a recipe sets", () => {
  it("take the place of calibrated ones, by the name of a tensor or of its node, and are shared like them", async () => {
    const set = await run("int8,range=conv1:0:6,grid=fc1.out:0.25:-7");
    expect(gridOf(set, "conv1")).toEqual({ scales: Float32Array.of(6 / 255), zeroPoints: Int32Array.of(-128) });
    expect(gridOf(set, "pool1")).toEqual(gridOf(set, "conv1"));
    expect(gridOf(set, "fc1")).toEqual({ scales: Float32Array.of(0.25), zeroPoints: Int32Array.of(-7) });
    expect(gridOf(set, "fc2")).toEqual(gridOf(await run("int8"), "fc2"));
  });

  it("come from a recipe file too, and then have a text", () => {
    const path = join(folder, "recipe.json");
    const overrides = { conv1: { min: 0, max: 6 }, "fc*.out": { scale: 0.25, zeroPoint: -7 } };
    writeFileSync(path, JSON.stringify({ steps: [{ step: "int8", calibrator: "mse", overrides, exclude: ["fc2"] }] }));
    const recipe = readRecipeFile(path);
    expect(recipe.text).toBe("int8,calibrator=mse,range=conv1:0:6,grid=fc*.out:0.25:-7,exclude=fc2");
    expect(parseRecipe(recipe.text)).toEqual(recipe);
    for (const bad of [3, [], { a: 1 }, { a: { min: 0 } }, { a: { min: 0, max: "1" } }, { a: { min: 0, max: 1, scale: 1 } }]) {
      writeFileSync(path, JSON.stringify({ steps: [{ step: "int8", overrides: bad }] }));
      expect(() => readRecipeFile(path)).toThrow(
        /overrides.*expected an object of tensor names with {"min", "max"} or {"scale", "zeroPoint"}/,
      );
    }
  });

  it("are refused where they name nothing, something twice, a shared grid differently, or one that is fixed", async () => {
    const mobile = mobileNet();
    const context = contextFor(mobile);
    const fault = (recipe: string): Promise<unknown> =>
      run(recipe, context, mobile).then(
        () => "accepted",
        (error: unknown) => (error instanceof UsageError ? error.message : error),
      );
    expect(await fault("int8,range=stem.ot:0:1")).toMatch(/: no activation of "mobile" is named "stem.ot". Did you mean stem.out\?$/);
    expect(await fault("int8,range=stem*:0:1|stem.out:0:2")).toMatch(/: two entries set the grid of "stem.out". Keep one$/);
    expect(await fault("int8,range=scores:0:2")).toContain('the grid of "scores" is that of a softmax, sigmoid or tanh, which is fixed');
    expect(await fault("int8,range=concat:0:6|pad:0:5")).toContain('"concat" and "pad" share a grid, but two are set. Set one of them');
    expect(await fault("int8,range=concat:0:6|pad:0:6")).toBe("accepted");
    expect(await fault("int8,grid=concat:1:200")).toContain('the zero point of "concat": got 200, expected -128..127');
  });
});

describe("notes", () => {
  it("name a range that few values drive, and are silent once the calibrator cuts it", async () => {
    const b = new GraphBuilder("outlier");
    const x = b.input("x", "float32", [1, 2000]);
    const net = b.finish([b.add("Unary", "y", [x], { fn: "abs" })]);
    const samples = [[Float32Array.from({ length: 2000 }, (_, i) => (i === 3 ? 80 : Math.sin(i)))]];
    const context = { calibration: () => samples, observe: observeGraph };
    const { steps } = await run("int8", context, net);
    expect(steps[0]!.notes).toHaveLength(2);
    expect(steps[0]!.notes![0]).toMatch(
      /^the range -1..80 of "x" is driven by few values: 99.9 % lie within -1..1, and get 5.\d bits less. Try/,
    );
    expect((await run("int8,calibrator=percentile,percentile=99.8", context, net)).steps[0]).not.toHaveProperty("notes");
    expect((await run("int8")).steps[0]).not.toHaveProperty("notes");
  });
});
