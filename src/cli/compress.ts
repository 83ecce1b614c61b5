/** `bench compress MODEL --recipe R -o OUT`: applies a recipe, writes the result, shows what changed layer by layer. */
import { basename } from "node:path";
import { Command, Option } from "commander";
import { applyRecipe } from "../compress/apply.ts";
import type { StepReport } from "../compress/apply.ts";
import { readTable } from "../compress/quantize/table.ts";
import { calibrates, calibrationSeed } from "../compress/recipe-calibrate.ts";
import { openRecipe } from "../compress/recipe.ts";
import type { Recipe } from "../compress/recipe.ts";
import { modelSize } from "../compress/size.ts";
import { graphStats } from "../compress/stats.ts";
import type { CompressContext } from "../compress/steps.ts";
import { observeGraph } from "../engines/cpu/observe.ts";
import { UsageError } from "../errors.ts";
import { ONNX_FORMS, exportOnnx } from "../formats/onnx/export.ts";
import type { OnnxForm } from "../formats/onnx/export.ts";
import { exportSlim } from "../formats/slim/export.ts";
import type { SlimOrigin } from "../formats/slim/manifest.ts";
import { exportTrees } from "../formats/tree/write.ts";
import { roundingOf } from "../graph/fixed-point.ts";
import type { Graph } from "../graph/ir.ts";
import { graphTrees } from "../graph/tree.ts";
import { feederFor } from "../data/feed.ts";
import { sampleIndices } from "../harness/order.ts";
import { openLabelled } from "../harness/labelled.ts";
import { calibrationSamples } from "../harness/prepare.ts";
import { sparseGain } from "../harness/sparse-gain.ts";
import { StageFolder, sha256 } from "../harness/stages.ts";
import { packageVersion } from "../harness/version.ts";
import { renderOptionsFor } from "../report/index.ts";
import { writeFileAtomic } from "../results/store.ts";
import { chooseModel } from "./choose-model.ts";
import { beforeAfterTable } from "./layer-table.ts";
import { openModel } from "./open-model.ts";
import { DEFAULT_SEED, collectShape, wholeNumber } from "./options.ts";

interface CompressOptions {
  readonly recipe: string;
  readonly out: string;
  readonly dataset?: string;
  readonly samples?: number;
  readonly saveCalibration?: string;
  readonly onnxForm: OnnxForm;
  readonly sparse?: boolean;
  readonly shape?: ReadonlyMap<string, readonly number[]>;
  readonly seed?: number;
  readonly stages?: string;
  readonly format: string;
}

const CALIBRATION_HELP = `
How int8 and int16x8 find their grids (options of the recipe step, joined by commas):
  calibrator=minmax | moving[,average=0.01] | entropy | percentile[,percentile=99.999] | mse
  table=FILE                 ranges that --save-calibration wrote, in place of samples
  ranges=ort | tflite | symmetric      how a range becomes scale and zero point (int8 only)
  range=NAME:MIN:MAX|…       the range of a tensor, by its name or its layer's; * for any characters
  grid=NAME:SCALE:ZERO|…     its scale and zero point (both are "overrides" in a recipe file)
  equalize=cle               even out the weights of consecutive layers first
  smooth=0.5                 move the difficulty of activations into weights (SmoothQuant)
  bias=correct               take back what rounding and clipping shift on average
  seed=N                     which samples (default: the seed of the recipe file, else --seed)
e.g. int8,calibrator=percentile,percentile=99.99,bias=correct`;

export function compressCommand(): Command {
  return new Command("compress")
    .description("apply a recipe to a model and write the result as ONNX or as a .slim archive")
    .argument("<model>", "an .onnx, .tflite or .slim file, npm:PACKAGE/PATH, or a model of the suite mobile")
    .requiredOption("-r, --recipe <recipe>", "steps joined by +, e.g. prune:0.7,block=1x8+int8, or a recipe file (.json)")
    .requiredOption("-o, --out <file>", "the file to write: .onnx, or .slim with gap and Huffman coding; decision trees also as .json")
    .option(
      "--dataset <name>",
      "what int8 calibrates on, and trees are validated on: mnist, textlines, or a header .json; its training half is used",
    )
    .option("--samples <n>", "calibration samples (default: 32 to 512, by the model's size)", wholeNumber)
    .option("--save-calibration <file>", "also write the ranges that calibration found; int8,table=FILE takes them up")
    .addOption(new Option("--onnx-form <form>", "how an .onnx file spells integer ops").choices(ONNX_FORMS).default("qdq"))
    .option("--sparse", "sparse initializers in an .onnx file, where they are shorter")
    .option("--shape <NAME=DIMS>", "bind an input's dynamic dimensions, e.g. x=1,3,48,192; repeatable", collectShape)
    .option("--seed <n>", `chooses the calibration samples; wins over the seed of a recipe file (default: ${DEFAULT_SEED})`, wholeNumber)
    .option("--stages <folder>", "keep what each step reaches there, and go on from it in later runs with the same beginning")
    .addOption(new Option("--format <format>", "form of the report").choices(["table", "json"]).default("table"))
    .addHelpText("after", CALIBRATION_HELP)
    .action(compress);
}

async function compress(word: string, options: CompressOptions): Promise<void> {
  const recipe = openRecipe(options.recipe, options.seed);
  const seed = calibrationSeed(recipe) ?? options.seed ?? DEFAULT_SEED;
  if (!/\.(onnx|slim|json)$/.test(options.out))
    throw new UsageError(`--out ${options.out}: expected a name that ends in .onnx, .slim, or .json for decision trees`);
  const chosen = chooseModel(word, { dataset: options.dataset, shapes: options.shape });
  const { graph, bytes } = await openModel(chosen.path, { shapes: chosen.shapes });

  const calibration =
    calibrates(recipe) && chosen.dataset !== undefined ? await openCalibration(graph, chosen.dataset, options, seed) : undefined;
  const { saveCalibration } = options;
  if (saveCalibration !== undefined && !calibrates(recipe))
    throw new UsageError(`--save-calibration ${saveCalibration}: recipe ${recipe.text} calibrates nothing. Use it with int8`);
  if (saveCalibration !== undefined && options.stages !== undefined)
    throw new UsageError(`--save-calibration ${saveCalibration}: a stage that is taken up calibrates nothing. Leave out --stages`);
  const { samples } = options;
  const identity = { model: sha256(bytes), shapes: [...chosen.shapes], dataset: chosen.dataset, samples, seed, tables: tablesOf(recipe) };
  const folder = options.stages;
  const stages = folder === undefined ? undefined : new StageFolder(folder, identity);
  const compressed = await applyRecipe(graph, recipe, {
    ...(stages && { stages }),
    observe: observeGraph,
    sparseGain: sparseGain(),
    ...(calibration && { calibration }),
    ...(chosen.dataset !== undefined && { labelled: openLabelled(await trainingHalf(chosen.dataset)) }),
    ...(saveCalibration !== undefined && {
      onCalibration: (table) => writeFileAtomic(saveCalibration, `${JSON.stringify(table, null, 2)}\n`, "--save-calibration"),
    }),
  });
  const file = exportOnnx(compressed.graph, { form: options.onnxForm, sparse: options.sparse === true });
  const origin: SlimOrigin = {
    tool: { name: "slimbench", version: packageVersion() },
    recipe: recipe.text,
    seed,
    source: basename(chosen.path),
  };
  writeFileAtomic(options.out, contentOf(options.out, compressed.graph, file, origin), "--out");

  const [before, after] = [graphStats(graph), graphStats(compressed.graph)];
  const sizes = {
    before: await modelSize(graph, graphTrees(graph) === undefined ? bytes : exportOnnx(graph)),
    after: await modelSize(compressed.graph, file),
  };
  const notes = lossNotes(options.out, compressed.graph);
  if (options.format === "json") {
    const half = (stats: typeof before, size: typeof sizes.before): unknown => ({ size, ...stats });
    console.log(
      JSON.stringify(
        {
          recipe: recipe.text,
          out: options.out,
          steps: compressed.steps,
          ...(notes.length > 0 && { notes }),
          before: half(before, sizes.before),
          after: half(after, sizes.after),
        },
        null,
        2,
      ),
    );
    return;
  }
  console.log(`${graph.name}: ${recipe.text} → ${options.out}`);
  if (folder !== undefined && stages?.takenUp !== undefined) console.log(`taken from ${folder}: ${stages.takenUp}`);
  console.log(beforeAfterTable(before, after, sizes, renderOptionsFor(process.stdout, process.env).colour));
  for (const line of compressed.steps.flatMap(skippedLines)) console.log(line);
  for (const { step, notes = [] } of compressed.steps) for (const note of notes) console.log(`${step}: ${note}`);
  for (const note of notes) console.log(note);
}

/** What the graph says and the file does not. */
function lossNotes(out: string, { nodes }: Graph): readonly string[] {
  const isRounded = nodes.some((node) => roundingOf(node) !== undefined);
  return out.endsWith(".onnx") && isRounded
    ? [`${out}: ONNX has no word for requantize, so whoever runs this file rounds in a way of its own. A .slim archive keeps it`]
    : [];
}

/** Calibration tables by their content: a file of the same name may hold other ranges tomorrow. */
function tablesOf({ steps }: Recipe): readonly string[] {
  return steps.flatMap((step) => (step.kind === "int8" && step.table !== undefined ? [sha256(JSON.stringify(readTable(step.table)))] : []));
}

/** @param onnx the graph as ONNX, which is at hand */
function contentOf(out: string, graph: Graph, onnx: Uint8Array, origin: SlimOrigin): Uint8Array | string {
  if (out.endsWith(".slim")) return exportSlim(graph, origin);
  return out.endsWith(".json") ? exportTrees(graph) : onnx;
}

async function openCalibration(
  graph: Graph,
  dataset: string,
  options: CompressOptions,
  seed: number,
): Promise<NonNullable<CompressContext["calibration"]>> {
  const { readDataset, resolveDataset } = await import("../data/index.ts");
  const train = readDataset(await resolveDataset(dataset, "train"));
  const feeder = feederFor(graph, train);
  const indices = sampleIndices(train.count, Math.max(feeder.batch, options.samples ?? calibrationSamples(graph)), seed);
  if (options.samples === 0) throw new UsageError("--samples 0: expected at least 1 calibration sample");
  return function* () {
    for (let i = 0; i + feeder.batch <= indices.length; i += feeder.batch) yield feeder.inputs(indices.subarray(i, i + feeder.batch));
  };
}

async function trainingHalf(dataset: string): Promise<string> {
  const { resolveDataset } = await import("../data/index.ts");
  return resolveDataset(dataset, "train");
}

/** Layers that a step left alone, one line for each reason. */
function skippedLines({ step, skipped }: StepReport): readonly string[] {
  const reasons = new Map<string, string[]>();
  for (const { layer, op, why } of skipped) reasons.set(why, [...(reasons.get(why) ?? []), `${layer} (${op})`]);
  return [...reasons].map(([why, layers]) => `${step} left alone: ${layers.join(", ")}: ${why}`);
}
