/** `bench inspect MODEL`: what the model holds and costs, layer by layer. */
import { Command, Option } from "commander";
import { graphStats } from "../compress/stats.ts";
import { buildSlim } from "../formats/slim/export.ts";
import { readSlim } from "../formats/slim/import.ts";
import type { SlimOrigin } from "../formats/slim/manifest.ts";
import { startsLikeSlim } from "../formats/slim/prefix.ts";
import { renderOptionsFor } from "../report/index.ts";
import { chooseModel } from "./choose-model.ts";
import { codingOf, codingTable } from "./coding-table.ts";
import { layerTable } from "./layer-table.ts";
import { openModel } from "./open-model.ts";
import { collectShape } from "./options.ts";

interface InspectOptions {
  readonly shape?: ReadonlyMap<string, readonly number[]>;
  readonly coding?: true;
  readonly format: string;
}

export function inspectCommand(): Command {
  return new Command("inspect")
    .description("show a model layer by layer: op, shapes, parameters, MACs, sparsity, distinct values, bits")
    .argument("<model>", "an .onnx, .tflite or .slim file, npm:PACKAGE/PATH, or a model of the suite mobile")
    .option("--shape <NAME=DIMS>", "bind an input's dynamic dimensions, e.g. x=1,3,48,192; repeatable", collectShape)
    .option("--coding", "also show how a .slim archive codes each layer: bits of weights and indices; always shown for an archive")
    .addOption(new Option("--format <format>", "form of the output").choices(["table", "json"]).default("table"))
    .action(inspect);
}

async function inspect(word: string, options: InspectOptions): Promise<void> {
  const chosen = chooseModel(word, { shapes: options.shape });
  const { graph, bytes, path } = await openModel(chosen.path, { shapes: chosen.shapes });
  const stats = graphStats(graph);
  const origin = startsLikeSlim(bytes) ? readSlim(bytes, path).origin : undefined;
  const coding = origin === undefined && options.coding === undefined ? undefined : codingOf(graph, buildSlim(graph, origin));
  if (options.format === "json") {
    const tensors = (names: readonly string[]): unknown[] =>
      names.map((name) => ({ name, dtype: graph.tensors.get(name)?.dtype, shape: graph.tensors.get(name)?.shape }));
    console.log(
      JSON.stringify(
        {
          model: graph.name,
          inputs: tensors(graph.inputs),
          outputs: tensors(graph.outputs),
          ...(origin && { origin }),
          ...stats,
          ...(coding && { coding }),
        },
        null,
        2,
      ),
    );
    return;
  }
  const describe = (names: readonly string[]): string =>
    names.map((name) => `${name} ${graph.tensors.get(name)?.dtype ?? ""} [${graph.tensors.get(name)?.shape.join(", ") ?? ""}]`).join(", ");
  console.log(`${graph.name}: ${describe(graph.inputs)} → ${describe(graph.outputs)}`);
  const { colour } = renderOptionsFor(process.stdout, process.env);
  if (origin !== undefined) console.log(originText(origin));
  console.log(layerTable(stats, colour));
  if (coding !== undefined) console.log(codingTable(coding, colour));
}

/** `recipe prune:0.9+cluster:32, seed 1, from lenet.onnx, by slimbench 0.1.0` */
function originText({ tool, recipe, seed, source }: SlimOrigin): string {
  const parts = [
    recipe === undefined ? "recipe unknown" : `recipe ${recipe}`,
    ...(seed === undefined ? [] : [`seed ${seed}`]),
    ...(source === undefined ? [] : [`from ${source}`]),
    ...(tool === undefined ? [] : [`by ${tool.name} ${tool.version}`]),
  ];
  return parts.join(", ");
}
