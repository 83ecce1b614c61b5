/** `bench inspect MODEL`: what the model holds and costs, layer by layer. */
import { Command, Option } from "commander";
import { graphStats } from "../compress/stats.ts";
import { renderOptionsFor } from "../report/index.ts";
import { chooseModel } from "./choose-model.ts";
import { layerTable } from "./layer-table.ts";
import { openModel } from "./open-model.ts";
import { collectShape } from "./options.ts";

interface InspectOptions {
  readonly shape?: ReadonlyMap<string, readonly number[]>;
  readonly format: string;
}

export function inspectCommand(): Command {
  return new Command("inspect")
    .description("show a model layer by layer: op, shapes, parameters, MACs, sparsity, distinct values, bits")
    .argument("<model>", "an .onnx or .tflite file, npm:PACKAGE/PATH, or a model of the suite mobile")
    .option("--shape <NAME=DIMS>", "bind an input's dynamic dimensions, e.g. x=1,3,48,192; repeatable", collectShape)
    .addOption(new Option("--format <format>", "form of the output").choices(["table", "json"]).default("table"))
    .action(inspect);
}

async function inspect(word: string, options: InspectOptions): Promise<void> {
  const chosen = chooseModel(word, { shapes: options.shape });
  const { graph } = await openModel(chosen.path, { shapes: chosen.shapes });
  const stats = graphStats(graph);
  if (options.format === "json") {
    const tensors = (names: readonly string[]): unknown[] =>
      names.map((name) => ({ name, dtype: graph.tensors.get(name)?.dtype, shape: graph.tensors.get(name)?.shape }));
    console.log(JSON.stringify({ model: graph.name, inputs: tensors(graph.inputs), outputs: tensors(graph.outputs), ...stats }, null, 2));
    return;
  }
  const describe = (names: readonly string[]): string =>
    names.map((name) => `${name} ${graph.tensors.get(name)?.dtype ?? ""} [${graph.tensors.get(name)?.shape.join(", ") ?? ""}]`).join(", ");
  console.log(`${graph.name}: ${describe(graph.inputs)} → ${describe(graph.outputs)}`);
  console.log(layerTable(stats, renderOptionsFor(process.stdout, process.env).colour));
}
