/** `bench sensitivity` and `bench search` from end to end, on a net of two layers. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Search } from "../../src/results/search.ts";
import type { Sensitivity } from "../../src/results/sensitivity.ts";
import { makeFixture } from "../harness/fixture.ts";
import { bench } from "./spawn.ts";

const { folder, model, dataset } = makeFixture();
afterAll(() => rmSync(folder, { recursive: true }));

const read = (file: string): unknown => JSON.parse(readFileSync(file, "utf8"));

describe("bench sensitivity", () => {
  const out = join(folder, "s.json");
  const map = join(folder, "s.svg");
  const words = ["sensitivity", model, "--dataset", dataset, "--change", "int8", "prune:0.9", "prune,channels=0.5", "--tune", "off"];

  it("changes every layer alone, times it, and draws a map", async () => {
    const { code, stdout, stderr } = await bench([...words, "--out", out, "--map", map, "--processes", "2"]);
    expect({ code, lines: stderr.trimEnd().split("\n").length }).toEqual({ code: 0, lines: 6 });
    expect(stdout).toMatch(/change of accuracy, points/);
    expect(stdout).toMatch(/time of the changed layers on wasm/);
    const result = read(out) as Sensitivity;
    expect(result.layers.map(({ layer, cells }) => [layer, cells.map(({ status }) => status)])).toEqual([
      ["hidden", ["ok", "ok", "ok"]],
      ["scores", ["ok", "ok", "none"]],
    ]);
    const cell = result.layers[0]?.cells[1];
    expect(cell).toMatchObject({ recipe: "prune:0.9,only=hidden", layers: ["hidden"] });
    expect(cell?.quality?.n).toBe(120);
    expect(cell?.times?.[0]).toMatchObject({ target: "wasm", status: "ok" });
    expect(cell?.times?.[0]?.processes?.afterMs).toHaveLength(2);
    // Half of the hidden channels: the next layer reads half as many.
    expect(result.layers[0]?.cells[2]?.times?.[0]?.status).toBe("ok");
    expect(readFileSync(map, "utf8")).toMatch(/^<svg [^>]+>[\s\S]+<\/svg>\n$/);
  });

  it("goes on where it was, and measures nothing twice", async () => {
    const before = read(out) as Sensitivity;
    const cut = { ...before, layers: before.layers.slice(0, 1) };
    writeFileSync(out, JSON.stringify(cut));
    const { code, stderr } = await bench([...words, "--out", out, "--processes", "2"]);
    const lines = stderr.trimEnd().split("\n");
    expect([code, lines.length, lines.every((line) => line.includes("] scores "))]).toEqual([0, 3, true]);
    const after = read(out) as Sensitivity;
    expect(after.layers[0]).toEqual(before.layers[0]);
    expect(after.layers[1]?.cells.map(({ quality }) => quality)).toEqual(before.layers[1]?.cells.map(({ quality }) => quality));
  });

  it("refuses a file of something else", async () => {
    const refused = async (text: string | undefined, more: readonly string[], message: RegExp): Promise<void> => {
      if (text !== undefined) writeFileSync(join(folder, "bad.json"), text);
      const { code, stderr } = await bench([
        ...words,
        "--out",
        text === undefined ? out : join(folder, "bad.json"),
        "--no-latency",
        ...more,
      ]);
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) as unknown });
    };
    await refused('{"schema": "slimbench/sensitivity@1", "layers": [', [], /bad\.json: not valid JSON, the file ends early/);
    await refused('{"schema": "slimbench/result@1"}', [], /expected "slimbench\/sensitivity@1". This is not a result of bench sensitivity/);
    await refused('{"schema": "slimbench/sensitivity@1", "layers": 3}', [], /bad\.json: .*invalid/);
    await refused(undefined, ["--seed", "2"], /made with seed 1, this run has 2\. Use the same options, or another --out/);
  });

  it("judges on noise where there is no dataset, and says so", async () => {
    const { code, stdout } = await bench([
      "sensitivity",
      model,
      "--no-latency",
      "--change",
      "int8",
      "--layers",
      "scor*",
      "--samples",
      "10",
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/no dataset: judged on 10 inputs of seeded noise/);
    expect(stdout).toMatch(/scores +\d/);
    expect(stdout).not.toMatch(/hidden/);
  });

  it("says what is wrong with its words", async () => {
    const refused = async (more: readonly string[], message: RegExp): Promise<void> => {
      const { code, stderr } = await bench(["sensitivity", model, "--no-latency", ...more]);
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) as unknown });
    };
    await refused(["--what", "speed"], /expected kinds of bits, sparsity, clusters, channels/);
    await refused(["--change", "int9"], /unknown step "int9"/);
    await refused(["--change", "int8", "--what", "bits"], /--what and --change/);
    await refused(["--layers", "nope"], /--layers nope: matches none of hidden, scores/);
    await refused(["--map", "x.gif"], /expected a name that ends in \.svg or \.html/);
  });
});

describe("bench search", () => {
  const out = join(folder, "q.json");
  const recipeOut = join(folder, "winner.json");
  const space = ["--each", "prune:0.5", "cluster:4", "--whole", "int8", "--dataset", dataset, "--seed", "3"];
  const bySize = ["search", model, ...space, "--minimize", "weightBytes", "--trials", "8"];

  it("finds the same recipes for a seed, goes on where it was, and writes the winner down", async () => {
    const { code, stdout } = await bench([...bySize, "--out", out, "--recipe-out", recipeOut]);
    expect(code).toBe(0);
    const result = read(out) as Search;
    expect(new Set(result.trials.map(({ recipe }) => recipe)).size).toBe(9);
    const { best } = result;
    expect(best?.meets).toBe(true);
    expect(result.front).toContain(best?.recipe);
    expect(stdout).toContain(`--recipe fp32 '${best?.recipe ?? ""}'`);
    const least = Math.min(...result.trials.flatMap(({ shortfall, cost }) => (shortfall === 0 && cost !== undefined ? [cost] : [])));
    expect(result.trials.find(({ recipe }) => recipe === best?.recipe)?.cost).toBe(least);

    const half = join(folder, "half.json");
    writeFileSync(half, JSON.stringify({ ...result, trials: result.trials.slice(0, 5), rolledBack: [], best: undefined }));
    const again = await bench([...bySize, "--out", half]);
    expect(again.code).toBe(0);
    const resumed = read(half) as Search;
    expect(resumed.trials.map(({ recipe }) => recipe)).toEqual(result.trials.map(({ recipe }) => recipe));
    expect(resumed.best).toEqual(best);

    const run = await bench([
      "--model",
      model,
      "--dataset",
      dataset,
      "--recipe",
      recipeOut,
      "--target",
      "wasm",
      "--preset",
      "quick",
      "--tune",
      "off",
      "--format",
      "json",
    ]);
    expect(run.code).toBe(0);
    const [record] = (
      JSON.parse(run.stdout) as { records: { recipe: string; size: { weightBytes: number }; accuracy: { value: number } }[] }
    ).records;
    expect(record?.recipe).toBe(best?.recipe);
    expect(record?.size.weightBytes).toBe(least);
    expect(record?.accuracy.value).toBeCloseTo(best?.quality?.value ?? Number.NaN, 12);
  });

  it("times on the target what meets the goal, and measures the best again", async () => {
    const timed = join(folder, "t.json");
    const { code, stderr } = await bench([
      "search",
      model,
      ...space,
      "--trials",
      "3",
      "--processes",
      "2",
      "--tune",
      "off",
      "--goal",
      "agreement>=0.5",
      "--out",
      timed,
    ]);
    expect({ code, last: stderr.trimEnd().split("\n").at(-1) }).toEqual({ code: 0, last: expect.stringMatching(/^\[3\/3/) as unknown });
    const { trials, best } = read(timed) as Search;
    for (const { shortfall, latency, cost } of trials)
      expect([latency !== undefined, cost !== undefined]).toEqual([shortfall === 0, shortfall === 0]);
    expect(best?.latency).toMatchObject({ target: "wasm", processes: 2 });
  });

  it("exits 1 with the closest where the goal is out of reach", async () => {
    const { code, stdout } = await bench([...bySize, "--goal", "accuracy>=1"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/not reached: accuracy>=1; the closest: \S+, accuracy \d/);
  });

  it("says what is wrong with its words, and refuses files of something else", async () => {
    const refused = async (more: readonly string[], message: RegExp): Promise<void> => {
      const { code, stderr } = await bench([...bySize, ...more]);
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) as unknown });
    };
    await refused(["--goal", "accuracy=0.9"], /got "=", expected >=/);
    await refused(["--goal", "speed>=2"], /unknown metric "speed"/);
    await refused(["--minimize", "latency"], /expected latency@TARGET/);
    await refused(["--each", "int8"], /--each int8: a number format is the whole model's/);
    await refused(["--time", "soon"], /expected a duration/);
    await refused(["--dataset", "none"], /has no dataset to measure accuracy on/);
    const bad = join(folder, "bad-search.json");
    writeFileSync(bad, "{");
    await refused(["--out", bad], /not valid JSON/);
    await refused(["--out", out, "--goal", "agreement>=0.9"], /made with goals \["accuracy>=-0\.5pt"\], this run has/);
    await refused(["--out", out, "--each", "prune:0.7"], /made with other steps to choose from/);
  });
});
