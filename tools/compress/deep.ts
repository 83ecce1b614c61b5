/**
 * Deep Compression's table (Han, Mao and Dally 2016) on our LeNets: weights pruned, shared and coded in one shot, without retraining. Sizes are of the
 * whole model, in the ways in which the paper counts them; the last is what the archive takes, manifest and all.
 */
import { applyRecipe } from "../../src/compress/apply.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { graphStats } from "../../src/compress/stats.ts";
import { codingOf, type CodedLayer } from "../../src/cli/coding-table.ts";
import { buildSlim } from "../../src/formats/slim/export.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { prepareModel } from "../../src/harness/prepare.ts";
import { makePlan } from "../../src/harness/plan.ts";
import { Evaluator } from "../../src/study/evaluator.ts";
import { openSamples } from "../../src/study/samples.ts";

export interface DeepRow {
  readonly model: string;
  readonly recipe: string;
  /** float32 parameters. */
  readonly bytes: number;
  /** Weights that are not zero, and all parameters: of the paper's column P. */
  readonly kept: number;
  /** Values and distances in plain bits, tables, and float32 biases: P+Q. */
  readonly sharedBytes: number;
  /** The archive: P+Q+H. */
  readonly archiveBytes: number;
  /** Share of 10,000 test images that are wrong, before and after. */
  readonly error: readonly [before: number, after: number];
  readonly layers: readonly CodedLayer[];
}

export async function deepRows(path: string, recipes: readonly string[], folder: string): Promise<readonly DeepRow[]> {
  const words = { models: [path], recipes: ["fp32"], targets: ["cpu"], dataset: "mnist", preset: "normal", seed: 1 } as const;
  const [record] = makePlan({ ...words, shapes: undefined }).records;
  const model = await prepareModel(record!.model, folder);
  const evaluator = await Evaluator.open(model.graph, openSamples(model, Infinity, 1));
  const before = 1 - evaluator.original.value!;
  const rows: DeepRow[] = [];
  for (const recipe of recipes) {
    const { graph } = await applyRecipe(model.graph, parseRecipe(recipe), {});
    const { value } = await evaluator.evaluate(graph);
    rows.push({ model: record!.model.name, recipe, ...sizesOf(graph), error: [before, 1 - value!] });
  }
  return rows;
}

function sizesOf(graph: Graph): Pick<DeepRow, "bytes" | "kept" | "sharedBytes" | "archiveBytes" | "layers"> {
  const { layers, bytes: archiveBytes } = codingOf(graph, buildSlim(graph));
  const { params, nonzeroParams } = graphStats(graph).totals;
  const weights = layers.reduce((sum, { count }) => sum + count, 0);
  const inLayers = layers.reduce((sum, { entries, valueBits, indexBits, tensor }) => {
    const code = graph.tensors.get(tensor)?.code;
    const table = code?.kind === "codebook" ? code.table.byteLength : 0;
    return sum + table + (entries * (valueBits.plain + (indexBits?.plain ?? 0))) / 8;
  }, 0);
  return {
    bytes: 4 * params,
    kept: nonzeroParams / params,
    sharedBytes: Math.ceil(inLayers + 4 * (params - weights)),
    archiveBytes,
    layers,
  };
}
