import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { compressCommand } from "../../src/cli/compress.ts";
import { inspectCommand } from "../../src/cli/inspect.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import { UnsupportedError, UsageError } from "../../src/errors.ts";
import { exportOnnx } from "../../src/formats/onnx/export.ts";
import { readSlim } from "../../src/formats/slim/import.ts";
import { roundingOf } from "../../src/graph/fixed-point.ts";
import { openModel } from "../../src/harness/model.ts";
import { argmax, plainNet, samplesFor } from "./nets.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-compress-"));
const model = join(folder, "plain.onnx");
const header = join(folder, "data.json");
const out = join(folder, "small.onnx");
const graph = plainNet();
const samples = samplesFor(graph, 60, 21) as readonly (readonly Float32Array[])[];
writeFileSync(model, exportOnnx(graph));
writeFileSync(join(folder, "data.bin"), Buffer.concat(samples.map(([x]) => Buffer.from(x!.buffer))));
const labels = samples.map((_, i) => i % 10);
writeFileSync(
  header,
  JSON.stringify({
    name: "noise",
    task: "classification",
    input: { dtype: "float32", shape: [12, 12, 1] },
    data: "data.bin",
    labels,
    classes: 10,
  }),
);

afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

async function run(command: Command, args: readonly string[]): Promise<string> {
  const lines: string[] = [];
  vi.spyOn(console, "log").mockImplementation((text: string) => void lines.push(text));
  await command.exitOverride().parseAsync(args, { from: "user" });
  return lines.join("\n");
}

describe("bench compress", () => {
  it("keeps how layers round in an archive, and says that ONNX does not", async () => {
    const archive = join(folder, "rounded.slim");
    const words = [model, "-r", "int8+requantize:double", "--dataset", header, "--samples", "8"];
    const told = await run(compressCommand(), [...words, "-o", out]);
    expect(told).toContain(
      `${out}: ONNX has no word for requantize, so whoever runs this file rounds in a way of its own. A .slim archive keeps it`,
    );
    expect(await run(compressCommand(), [...words, "-o", archive])).not.toContain("ONNX has no word");
    const json = JSON.parse(await run(compressCommand(), [...words, "-o", out, "--format", "json"])) as { notes: string[] };
    expect(json.notes).toHaveLength(1);
    const rounding = async (path: string): Promise<(string | undefined)[]> =>
      (await openModel(path)).graph.nodes.filter(({ op }) => op === "Dense").map(roundingOf);
    expect(await rounding(archive)).toEqual(["double", "double"]);
    expect(await rounding(out)).toEqual([undefined, undefined]);
    // Quantized models as they come.
    await run(compressCommand(), [out, "-r", "requantize:single", "-o", archive]);
    expect(await rounding(archive)).toEqual(["single", "single"]);
  });

  it("calibrates by the seed of a recipe file, unless the command line or the step says another", async () => {
    const files: string[] = [];
    const compressed = async (
      recipe: object | string,
      ...args: string[]
    ): Promise<readonly [recipe: string, seed: number | undefined, bytes: string]> => {
      const path = join(folder, `seeded${files.length}.json`);
      writeFileSync(path, JSON.stringify(recipe));
      files.push(path);
      const archive = join(folder, "seeded.slim");
      const common = ["-o", archive, "--dataset", header, "--samples", "3", ...args];
      await run(compressCommand(), [model, "-r", typeof recipe === "string" ? recipe : path, ...common]);
      const { origin, graph: read } = readSlim(new Uint8Array(readFileSync(archive)), archive);
      return [origin.recipe ?? "", origin.seed, JSON.stringify([...read.tensors.values()].map(({ quant }) => quant?.scales[0]))];
    };
    const [recipe, seed, bySeven] = await compressed({ seed: 7, steps: ["int8"] });
    expect([recipe, seed]).toEqual(["int8,seed=7", 7]);
    expect(await compressed("int8,seed=7")).toEqual([recipe, seed, bySeven]);
    expect(await compressed("int8", "--seed", "7")).toEqual(["int8", 7, bySeven]);
    const byThree = await compressed({ seed: 7, steps: ["int8"] }, "--seed", "3");
    expect(byThree.slice(0, 2)).toEqual(["int8,seed=3", 3]);
    expect(byThree[2]).not.toBe(bySeven);
    expect(await compressed({ seed: 7, steps: [{ step: "int8", seed: 3 }] }, "--seed", "5")).toEqual(byThree);
    expect((await compressed("int8"))[1]).toBe(1);
  });

  it("writes an ONNX file that opens as the compressed graph, and shows the change", async () => {
    const text = await run(compressCommand(), [
      model,
      "--recipe",
      "prune:0.7,block=1x8+int8",
      "-o",
      out,
      "--dataset",
      header,
      "--samples",
      "40",
    ]);
    expect(text).toContain(`plain.onnx: prune:0.7,block=1x8+int8 → ${out}`);
    expect(text).toMatch(/fc1 +Dense +17,304 +17,304 → 5,\d+ +69\.2 KB → 17\.4 KB +17\.3 k +17\.3 k → 5\.\d+ k +[\d,]+ → \d+ +32 → 8/);
    expect(text).toMatch(/weights .* → .* \(3\.\d\d× smaller\)/);
    expect(text).toContain("prune:0.7,block=1x8 left alone: conv1 (Conv2D): only 1 input channel");

    const { graph: small } = await openModel(out);
    const conv = small.nodes.find((node) => node.op === "Conv2D" && small.tensors.get(node.inputs[1]!)!.shape[0] === 20)!;
    expect(small.tensors.get(conv.inputs[1]!)!.dtype).toBe("int8");
    const [float, integer] = [observeGraph(graph), observeGraph(small)];
    const same = samples.filter((x) => argmax(float.run(x, () => undefined)[0]!) === argmax(integer.run(x, () => undefined)[0]!));
    expect(same.length).toBeGreaterThan(30);
  });

  it("keeps stages on request, and goes on from them", async () => {
    const stages = join(folder, "stages");
    const compressTo = (recipe: string, ...args: string[]): Promise<string> =>
      run(compressCommand(), [model, "--recipe", recipe, "-o", out, "--dataset", header, "--samples", "8", "--stages", stages, ...args]);
    expect(await compressTo("prune:0.6+cluster:8")).not.toContain("taken from");
    expect(await compressTo("prune:0.6+int8")).toContain(`taken from ${stages}: prune:0.6\n`);
    expect(await compressTo("prune:0.6+int8", "--seed", "2")).not.toContain("taken from");
    await expect(compressTo("int8", "--save-calibration", join(folder, "t.json"))).rejects.toThrow(/Leave out --stages/);
  });

  it("writes other forms of ONNX on request, which read back as the same model", async () => {
    const write = async (...args: string[]): Promise<Buffer> => {
      await run(compressCommand(), [model, "--recipe", "prune:0.95+int8", "-o", out, "--dataset", header, "--samples", "8", ...args]);
      return readFileSync(out);
    };
    const [plain, operators, sparse] = [await write(), await write("--onnx-form", "qoperator"), await write("--sparse")];
    expect(plain.includes("QGemm")).toBe(false);
    expect(operators.includes("QGemm")).toBe(true);
    expect(sparse.length).toBeLessThan(0.8 * plain.length);
    const { graph: small } = await openModel(out);
    expect(observeGraph(small).run(samples[0]!, () => undefined)[0]!.length).toBe(10);
  });

  it("writes an archive that every command reads as it was, and says what made it", async () => {
    const archive = join(folder, "small.slim");
    const text = await run(compressCommand(), [model, "-r", "prune:0.9+cluster:16", "-o", archive, "--seed", "3"]);
    expect(text).toMatch(/slim .* → .* \(\d+\.\d\d× smaller\)/);
    const { graph: small, name } = await openModel(archive);
    expect(name).toBe("small");
    expect(small.tensors.get(small.nodes.find(({ op }) => op === "Dense")!.inputs[1]!)!.code?.kind).toBe("codebook");

    const shown = await run(inspectCommand(), [archive]);
    expect(shown).toMatch(/recipe prune:0\.9\+cluster:16, seed 3, from plain\.onnx, by slimbench \d/);
    expect(shown).toMatch(/fc1 +gap +17,280 +1\d\.\d % +4 → \d\.\d +\d → \d\.\d +[\d.]+ KB +\d\.\d %/);
    const json = JSON.parse(await run(inspectCommand(), [archive, "--format", "json"])) as {
      origin: { recipe: string };
      coding: { bytes: number; manifestBytes: number; otherBytes: number; layers: { bytes: number }[] };
    };
    expect(json.origin.recipe).toBe("prune:0.9+cluster:16");
    const { bytes, manifestBytes, otherBytes, layers } = json.coding;
    expect(bytes).toBe(readFileSync(archive).length);
    expect(layers.reduce((sum, layer) => sum + layer.bytes, manifestBytes + otherBytes)).toBe(bytes);

    await run(compressCommand(), [archive, "-r", "fp32", "-o", out]);
    expect((await openModel(out)).graph.nodes).toHaveLength(small.nodes.length);
  });

  it("shows on request how an archive would code another model", async () => {
    expect(await run(inspectCommand(), [model])).not.toContain("manifest");
    expect(await run(inspectCommand(), [model, "--coding"])).toMatch(/fc1 +\w+ +17,280 +100\.0 % +32/);
  });

  it("saves a calibration table that the next run takes up", async () => {
    const table = join(folder, "table.json");
    const common = ["-o", out, "--dataset", header, "--samples", "40"];
    await run(compressCommand(), [model, "-r", "int8,calibrator=percentile", ...common, "--save-calibration", table]);
    const first = readFileSync(out);
    expect(JSON.parse(readFileSync(table, "utf8"))).toMatchObject({
      model: "plain.onnx",
      calibrator: "percentile,percentile=99.999",
      samples: 40,
    });
    await run(compressCommand(), [model, "-r", `int8,table=${table}`, "-o", out]);
    expect(readFileSync(out).equals(first)).toBe(true);
    await expect(run(compressCommand(), [model, "-r", "prune:0.5", "-o", out, "--save-calibration", table])).rejects.toThrow(
      new UsageError(`--save-calibration ${table}: recipe prune:0.5 calibrates nothing. Use it with int8`),
    );
  });

  it("shows removed channels per layer and in total", async () => {
    const text = await run(compressCommand(), [model, "-r", "prune,channels=0.5", "-o", out]);
    expect(text).toMatch(/conv2 +Conv2D +1,100 → 280 +1,100 → 280 +4\.40 KB → 1\.12 KB +38\.9 k → 9\.72 k +38\.9 k → 9\.72 k/);
    expect(text).toMatch(/total +18,7\d\d → 4,\d+ +18,7\d\d → 4,\d+ +74\.\d KB → \S+ KB +64\.2 k → \S+ k/);
    expect(text).toContain('prune,channels=0.5 left alone: fc2 (Dense): Softmax "softmax" needs it whole');
    const { graph: small } = await openModel(out);
    expect(observeGraph(small).run(samples[0]!, () => undefined)[0]!.length).toBe(10);
  });

  it("prunes where the WASM engine gains by it", async () => {
    const text = await run(compressCommand(), [model, "-r", "prune:0.2,where=faster", "-o", out]);
    expect(text).toMatch(/prune:0\.2,where=faster left alone: .*: not faster: /);
  });

  it("reports as JSON", async () => {
    const text = await run(compressCommand(), [model, "-r", "prune:0.5", "-o", out, "--format", "json"]);
    const report = JSON.parse(text) as {
      recipe: string;
      steps: unknown[];
      before: { size: { params: number } };
      after: { size: { nonzeroParams: number } };
    };
    expect(report.recipe).toBe("prune:0.5");
    expect(report.steps).toHaveLength(1);
    expect(report.after.size.nonzeroParams).toBeLessThan(report.before.size.params * 0.51);
  });

  it("takes a recipe file", async () => {
    const recipe = join(folder, "recipe.json");
    writeFileSync(recipe, '{"steps": [{"step": "prune", "value": 0.5, "exclude": ["conv*"]}]}');
    expect(await run(compressCommand(), [model, "-r", recipe, "-o", out])).toContain(
      "prune:0.5,exclude=conv* left alone: conv1 (Conv2D), conv2 (Conv2D): excluded by the recipe",
    );
  });

  it("gives the same file for the same seed", async () => {
    const words = [model, "-r", "int8", "-o", out, "--dataset", header, "--samples", "10", "--seed", "3"];
    await run(compressCommand(), words);
    const first = readFileSync(out);
    await run(compressCommand(), words);
    expect(readFileSync(out).equals(first)).toBe(true);
  });

  it.each<[string, string[], new (...args: never[]) => Error, string]>([
    [
      "no dataset for int8",
      ["-r", "int8", "-o", out],
      UsageError,
      "recipe step int8: needs calibration samples. Name a dataset with --dataset",
    ],
    ["a wrong recipe", ["-r", "in8", "-o", out], UsageError, 'recipe "in8": unknown step "in8". Did you mean int8?'],
    ["a step to come", ["-r", "qat:1", "-o", out], UnsupportedError, 'recipe "qat:1": qat is not implemented yet'],
    ["another format", ["-r", "int8", "-o", join(folder, "x.tflite")], UsageError, "expected a name that ends in .onnx"],
    ["no folder", ["-r", "prune:0.5", "-o", join(folder, "no", "x.onnx")], UsageError, "does not exist. Create it first"],
    ["no samples", ["-r", "int8", "-o", out, "--dataset", header, "--samples", "0"], UsageError, "--samples 0: expected at least 1"],
  ])("rejects %s", async (_, words, kind, message) => {
    rmSync(out, { force: true });
    const attempt = run(compressCommand(), [model, ...words]);
    await expect(attempt).rejects.toThrow(kind);
    await expect(attempt).rejects.toThrow(message);
    expect(existsSync(out)).toBe(false);
  });
});

describe("bench inspect", () => {
  it("shows every layer and the totals", async () => {
    const text = await run(inspectCommand(), [model]);
    expect(text).toContain("plain.onnx: image float32 [1, 12, 12, 1] → scores float32 [1, 10]");
    expect(text).toMatch(/conv2 +Conv2D +float32 \[1, 6, 6, 20\] +\[20, 3, 3, 6\] +1,100 +38\.9 k +38\.9 k +0\.0 % +[\d,]+ +32/);
    expect(text).toMatch(/total +74\.\d KB +18,7\d\d/);
  });

  it("prints JSON", async () => {
    const stats = JSON.parse(await run(inspectCommand(), [model, "--format", "json"])) as {
      inputs: unknown;
      layers: { op: string; macs: number }[];
      totals: { params: number };
    };
    expect(stats.inputs).toEqual([{ name: "image", dtype: "float32", shape: [1, 12, 12, 1] }]);
    expect(stats.layers.find((layer) => layer.op === "Dense")?.macs).toBe(720 * 24);
    expect(stats.totals.params).toBe(6 * 9 + 6 + 20 * 54 + 20 + 24 * 721 + 250);
  });

  it("rejects a name that is neither a file nor known", async () => {
    await expect(run(inspectCommand(), ["nonsense"])).rejects.toThrow(UsageError);
    await expect(run(inspectCommand(), [join(folder, "none.onnx")])).rejects.toThrow(/none\.onnx/);
  });
});
