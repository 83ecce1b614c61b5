/** `bench search MODEL`: the cheapest recipe that keeps what is asked for. */
import { existsSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { UsageError } from "../errors.ts";
import { PRESETS } from "../harness/presets.ts";
import type { PresetName } from "../harness/presets.ts";
import { TUNE_MODES } from "../harness/tuning.ts";
import type { TuneSetting } from "../harness/tuning.ts";
import { renderOptionsFor } from "../report/index.ts";
import { checkDocument, readDocument } from "../results/document.ts";
import { SEARCH_DOCUMENT } from "../results/search.ts";
import type { Search } from "../results/search.ts";
import { writeFileAtomic } from "../results/store.ts";
import { parseChange } from "../study/changes.ts";
import { parseGoal, parseMinimize } from "../study/search/goal.ts";
import { runSearch } from "../study/search/search.ts";
import { DEFAULT_SPACE } from "../study/search/space.ts";
import { STRATEGIES } from "../study/search/strategies.ts";
import type { StrategyName } from "../study/search/strategies.ts";
import { chooseModel } from "./choose-model.ts";
import { Interrupt } from "./interrupt.ts";
import { addBrowserOptions, browserChoice, collectShape, positiveNumber, seconds, wholeNumber } from "./options.ts";
import type { BrowserWords } from "./options.ts";
import { checkWritable } from "./out-file.ts";
import { searchText } from "./search-table.ts";
import { createStudyReporter } from "./study-progress.ts";

interface SearchWords extends BrowserWords {
  readonly goal: readonly string[];
  readonly minimize: string;
  readonly strategy: StrategyName;
  readonly each?: readonly string[];
  readonly whole?: readonly string[];
  readonly trials: number;
  readonly time?: number;
  readonly dataset?: string;
  readonly samples?: number;
  readonly shape?: ReadonlyMap<string, readonly number[]>;
  readonly seed: number;
  readonly preset: PresetName;
  readonly processes?: number;
  readonly tune: TuneSetting;
  readonly out?: string;
  readonly recipeOut?: string;
  readonly format: "table" | "json";
  readonly timeout: number;
  readonly verbose?: boolean;
}

export function searchCommand(): Command {
  return addBrowserOptions(
    new Command("search")
      .description("find the cheapest recipe that keeps what is asked for; costs are measured, not estimated")
      .argument("<model>", "an .onnx, .tflite or .slim file, npm:PACKAGE/PATH, or a model of the suite mobile")
      .option(
        "--goal <goal...>",
        "what must hold: accuracy>=-0.5pt (points below the original), accuracy>=0.97, accuracy>=-1% (of the original's), agreement>=0.99, sqnr>=20",
        ["accuracy>=-0.5pt"],
      )
      .option("--minimize <what>", "latency@TARGET, size (of the file), weightBytes, gzipBytes, brotliBytes", "latency@wasm")
      .addOption(new Option("--strategy <name>", "where to look next").choices(STRATEGIES).default("tpe"))
      .option("--each <step...>", `steps that each layer may take (default: ${DEFAULT_SPACE.each.join(" ")})`)
      .option("--whole <step...>", `steps for the whole model (default: ${DEFAULT_SPACE.whole.join(" ")})`)
      .option("--trials <n>", "recipes to try", positiveNumber, 40)
      .option("--time <duration>", "stop looking after so long, e.g. 90s, 10m, 2h", duration)
      .option("--dataset <name>", "mnist, textlines, a header .json, or none (noise in its place)")
      .option(
        "--samples <n>",
        "samples that judge a recipe (default: 100 to 2000 by the model's size); the winner is judged on all",
        positiveNumber,
      )
      .option("--shape <NAME=DIMS>", "bind an input's dynamic dimensions, e.g. x=1,3,48,192; repeatable", collectShape)
      .option("--seed <n>", "for samples, shuffles and what is tried", wholeNumber, 1)
      .addOption(new Option("--preset <preset>", "how long to time").choices(PRESETS).default("quick"))
      .option("--processes <n>", "fresh processes or pages that a latency comes from (default: the preset's)", positiveNumber)
      .addOption(new Option("--tune <mode>", "which kernel a layer runs with, as for bench run").choices(TUNE_MODES).default("cached"))
      .option("--out <file>", "save the result there as JSON as it grows; the same command goes on from it")
      .option("--recipe-out <file>", "write the winner there as a recipe file, for bench run --recipe")
      .addOption(new Option("--format <format>", "what to print on standard output").choices(["table", "json"]).default("table"))
      .option("--timeout <seconds>", "end a child after so long without a sign of life", seconds, 120)
      .option("--verbose", "show stack traces and the output of child processes")
      .action(search),
  );
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds. */
function duration(text: string): number {
  const [, number, unit = "s"] = /^(\d+(?:\.\d+)?)([smh])?$/.exec(text.trim()) ?? [];
  const ms = Number(number) * (UNITS[unit] ?? Number.NaN);
  if (!(ms > 0)) throw new InvalidArgumentError(`got "${text}", expected a duration, e.g. 90s, 10m, 2h.`);
  return ms;
}

async function search(word: string, words: SearchWords): Promise<void> {
  const { out, recipeOut } = words;
  const plan = {
    goals: words.goal.map(parseGoal),
    minimize: parseMinimize(words.minimize),
    space: {
      each: (words.each ?? DEFAULT_SPACE.each).map((step) => parseChange(step, "--each")),
      whole: (words.whole ?? DEFAULT_SPACE.whole).map((step) => parseChange(step, "--whole")),
    },
    strategy: words.strategy,
    trials: words.trials,
    timeMs: words.time ?? Infinity,
    samples: words.samples,
    seed: words.seed,
    preset: words.preset,
    processes: words.processes,
    tune: words.tune,
  };
  if (recipeOut !== undefined && !recipeOut.endsWith(".json"))
    throw new UsageError(`--recipe-out ${recipeOut}: expected a name that ends in .json`);
  for (const file of [out, recipeOut]) if (file !== undefined) checkWritable(file);
  const resume = out !== undefined && existsSync(out) ? readDocument(SEARCH_DOCUMENT, out) : undefined;
  const model = chooseModel(word, { dataset: words.dataset, shapes: words.shape });
  const interrupt = new Interrupt();
  const { result, interrupted } = await runSearch(
    { ...plan, model },
    {
      reporter: createStudyReporter({ stream: process.stderr, verbose: words.verbose === true }),
      silenceMs: words.timeout * 1000,
      signal: interrupt.signal,
      ...browserChoice(words),
      resume,
      ...(out === undefined ? {} : { onProgress: (partial: Search) => save(out, partial) }),
    },
  ).finally(() => interrupt.release());
  if (out !== undefined) save(out, result);
  const { best } = result;
  if (recipeOut !== undefined && best !== undefined) writeFileAtomic(recipeOut, recipeFile(best.recipe), "--recipe-out");
  const colour = renderOptionsFor(process.stdout, process.env).colour;
  process.stdout.write(words.format === "json" ? `${JSON.stringify(result, null, 1)}\n` : `${searchText(result, word, colour)}\n`);
  if (interrupted) {
    console.error(
      `interrupted: ${out === undefined ? "nothing is saved without --out" : `what is done is saved in ${out}; the same command goes on`}`,
    );
    process.exitCode = interrupt.exitCode;
  } else if (best?.meets !== true) process.exitCode = 1;
}

function save(path: string, result: Search): void {
  checkDocument(SEARCH_DOCUMENT, result, path);
  writeFileAtomic(path, `${JSON.stringify(result)}\n`, "--out");
}

/** As recipe files have it: a step each. */
function recipeFile(recipe: string): string {
  return `${JSON.stringify({ steps: recipe.split("+") }, null, 2)}\n`;
}
