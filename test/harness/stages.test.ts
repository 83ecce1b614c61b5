/** Stages of recipes: what is taken up again, what is not, and that promises outlive the break. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { applyRecipe, runSteps } from "../../src/compress/apply.ts";
import type { Compressed } from "../../src/compress/apply.ts";
import { withTensors } from "../../src/compress/layers.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { FormatError, UsageError } from "../../src/errors.ts";
import { withoutCode } from "../../src/graph/code.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { StageFolder } from "../../src/harness/stages.ts";
import { contextFor, plainNet } from "../compress/nets.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "slimbench-stages-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (identity: object = { seed: 1 }): StageFolder => new StageFolder(folder, identity);

function compress(recipe: string, stages?: StageFolder): Promise<Compressed> {
  const graph = plainNet();
  return applyRecipe(graph, parseRecipe(recipe), { ...contextFor(graph, 8), ...(stages && { stages }) });
}

describe("stages in a folder", () => {
  it.each([
    "prune:0.6+cluster:8+int8",
    "prune,channels=0.5+prune:0.5+fp16",
    "cluster:8,per=channel+fp16",
    "prune:0.5+int8:weights",
    "prune:0.5,block=1x8+int4",
  ])("of %s are kept, and a second run takes the last one, with the same result", async (recipe) => {
    const plain = await compress(recipe);
    const [first, second] = [open(), open()];
    expect(await compress(recipe, first)).toEqual(plain);
    expect(first.takenUp).toBeUndefined();
    expect(await compress(recipe, second)).toEqual(plain);
    expect(second.takenUp).toBe(parseRecipe(recipe).text);
    expect(readdirSync(folder).length).toBe(2 * plain.steps.length);
  });

  it("serve a recipe as far as it begins alike", async () => {
    await compress("prune:0.6+cluster:8", open());
    const stages = open();
    const other = await compress("prune:0.6+cluster:16+int8", stages);
    expect(stages.takenUp).toBe("prune:0.6");
    expect(other).toEqual(await compress("prune:0.6+cluster:16+int8"));
  });

  it("do not serve another model, other samples or another order", async () => {
    await compress("prune:0.6+cluster:8", open());
    for (const [recipe, identity] of [
      ["prune:0.6+cluster:8", { seed: 2 }],
      ["prune:0.5+cluster:8", { seed: 1 }],
    ] as const) {
      const stages = open(identity);
      await compress(recipe, stages);
      expect(stages.takenUp).toBeUndefined();
    }
  });

  it("carry promises, which later steps are still held to", async () => {
    const run = (g: Graph): Promise<Compressed> => applyRecipe(g, parseRecipe("prune:0.6"), {});
    const fill = (graph: Graph): Graph => {
      const tensor = graph.tensors.get("fc1.w")!;
      return withTensors(graph, [{ ...withoutCode(tensor), data: new Float32Array(tensor.data!.length).fill(1) }]);
    };
    await compress("prune:0.6", open());
    let ran = 0;
    const steps = [
      {
        text: "prune:0.6",
        run: async (g: Graph) => {
          ran++;
          return { graph: (await run(g)).graph, layers: [], skipped: [], promises: [] };
        },
      },
      { text: "later", run: (g: Graph) => ({ graph: fill(g), layers: [], skipped: [], promises: [] }) },
    ];
    await expect(runSteps(plainNet(), steps, open())).rejects.toThrow(
      /recipe step later: layer "fc1": weight \d+ is 1, expected a pruned zero/,
    );
    expect(ran).toBe(0);
  });

  it("are refused where they are damaged, by file and remedy", async () => {
    await compress("prune:0.6", open());
    const [document, archive] = [".json", ".slim"].map((end) =>
      join(
        folder,
        readdirSync(folder).find((name) => name.endsWith(end))!,
      ),
    );
    const bytes = readFileSync(archive!);
    writeFileSync(archive!, bytes.subarray(0, -1));
    await expect(compress("prune:0.6", open())).rejects.toThrow(/\.slim: is not what .*\.json says\. Delete it and run the recipe again/);
    writeFileSync(archive!, bytes);
    const text = readFileSync(document!, "utf8");
    writeFileSync(document!, text.replace(/"runs":\[(\d+),/, '"runs":[9$1,'));
    await expect(compress("prune:0.6", open())).rejects.toThrow(/a mask of \d+ weights for ".*", expected \d+/);
    writeFileSync(document!, text.slice(0, 100));
    await expect(compress("prune:0.6", open())).rejects.toThrow(FormatError);
    writeFileSync(document!, text);
    expect((await compress("prune:0.6", open())).steps.length).toBe(1);
  });

  it("need a folder that can be made", () => {
    writeFileSync(join(folder, "file"), "");
    expect(() => new StageFolder(join(folder, "file", "inner"), {})).toThrow(UsageError);
  });
});
