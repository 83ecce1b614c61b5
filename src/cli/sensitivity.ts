/** `bench sensitivity MODEL`: what changing each layer alone does to accuracy and to the layer's time. */
import { existsSync } from "node:fs";
import { Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import { PRESETS } from "../harness/presets.ts";
import type { PresetName } from "../harness/presets.ts";
import { parseTarget } from "../harness/target.ts";
import { TUNE_MODES } from "../harness/tuning.ts";
import type { TuneSetting } from "../harness/tuning.ts";
import { renderOptionsFor } from "../report/index.ts";
import { heatMapHtml, heatMapSvg } from "../report/heat-map.ts";
import { sensitivityMap } from "../report/sensitivity.ts";
import { checkDocument, readDocument } from "../results/document.ts";
import { SENSITIVITY_DOCUMENT } from "../results/sensitivity.ts";
import type { Sensitivity } from "../results/sensitivity.ts";
import { writeFileAtomic } from "../results/store.ts";
import { CHANGE_KINDS, parseChange, parseKinds, stepsOf } from "../study/changes.ts";
import { runSensitivity } from "../study/sensitivity.ts";
import { chooseModel } from "./choose-model.ts";
import { Interrupt } from "./interrupt.ts";
import { addBrowserOptions, browserChoice, collectShape, positiveNumber, seconds, wholeNumber } from "./options.ts";
import type { BrowserWords } from "./options.ts";
import { checkWritable } from "./out-file.ts";
import { sensitivityTable } from "./sensitivity-table.ts";
import { createStudyReporter } from "./study-progress.ts";

interface SensitivityWords extends BrowserWords {
  readonly dataset?: string;
  readonly target: readonly string[];
  readonly latency: boolean;
  readonly what?: string;
  readonly change?: readonly string[];
  readonly layers?: readonly string[];
  readonly samples?: number;
  readonly seed: number;
  readonly preset: PresetName;
  readonly processes?: number;
  readonly tune: TuneSetting;
  readonly shape?: ReadonlyMap<string, readonly number[]>;
  readonly out?: string;
  readonly map?: string;
  readonly format: "table" | "json" | "svg" | "html";
  readonly timeout: number;
  readonly verbose?: boolean;
}

export function sensitivityCommand(): Command {
  return addBrowserOptions(
    new Command("sensitivity")
      .description("change each layer alone: what does it do to accuracy, and what does the layer gain?")
      .argument("<model>", "an .onnx, .tflite or .slim file, npm:PACKAGE/PATH, or a model of the suite mobile")
      .option("--what <kinds>", `which changes: ${CHANGE_KINDS.join(",")} (default: all)`)
      .option("--change <step...>", "recipe steps to try in their place, e.g. int8 prune:0.8,block=1x8")
      .option("--layers <name...>", "only these layers; * for any characters, or a regular expression /…/")
      .option("--target <target...>", "where the changed layers are timed", ["wasm"])
      .option("--no-latency", "outputs only, no times")
      .option("--dataset <name>", "mnist, textlines, a header .json, or none (noise in its place)")
      .option("--samples <n>", "samples that judge a change (default: 100 to 2000 by the model's size; 64 of noise)", positiveNumber)
      .option("--shape <NAME=DIMS>", "bind an input's dynamic dimensions, e.g. x=1,3,48,192; repeatable", collectShape)
      .option("--seed <n>", "for samples, shuffles and noise", wholeNumber, 1)
      .addOption(new Option("--preset <preset>", "how long to time").choices(PRESETS).default("quick"))
      .option("--processes <n>", "fresh processes or pages that a ratio of times comes from (default: the preset's)", positiveNumber)
      .addOption(new Option("--tune <mode>", "which kernel a layer runs with, as for bench run").choices(TUNE_MODES).default("cached"))
      .option("--out <file>", "save the result there as JSON as it grows; what is there already is not measured again")
      .option("--map <file>", "write the heat map there: .svg or .html")
      .addOption(
        new Option("--format <format>", "what to print on standard output").choices(["table", "json", "svg", "html"]).default("table"),
      )
      .option("--timeout <seconds>", "end a child after so long without a sign of life", seconds, 120)
      .option("--verbose", "show stack traces and the output of child processes")
      .action(sensitivity),
  );
}

async function sensitivity(word: string, words: SensitivityWords): Promise<void> {
  const { out, map } = words;
  const changes = changesOf(words);
  const targets = words.latency ? [...new Set(words.target)].map(parseTarget) : [];
  if (map !== undefined && !/\.(svg|html)$/.test(map)) throw new UsageError(`--map ${map}: expected a name that ends in .svg or .html`);
  for (const file of [out, map]) if (file !== undefined) checkWritable(file);
  const resume = out !== undefined && existsSync(out) ? readDocument(SENSITIVITY_DOCUMENT, out) : undefined;
  const model = chooseModel(word, { dataset: words.dataset, shapes: words.shape });
  const interrupt = new Interrupt();
  const { result, interrupted } = await runSensitivity(
    {
      model,
      changes,
      targets,
      layers: words.layers,
      samples: words.samples,
      seed: words.seed,
      preset: words.preset,
      processes: words.processes,
      tune: words.tune,
    },
    {
      reporter: createStudyReporter({ stream: process.stderr, verbose: words.verbose === true }),
      silenceMs: words.timeout * 1000,
      signal: interrupt.signal,
      ...browserChoice(words),
      resume,
      ...(out === undefined ? {} : { onProgress: (partial: Sensitivity) => save(out, partial) }),
    },
  ).finally(() => interrupt.release());
  if (out !== undefined) save(out, result);
  if (map !== undefined) {
    const text = map.endsWith(".svg") ? heatMapSvg(sensitivityMap(result)) : heatMapHtml(sensitivityMap(result));
    writeFileAtomic(map, text, "--map");
  }
  process.stdout.write(textOf(result, words.format));
  if (interrupted) {
    console.error(
      `interrupted: ${out === undefined ? "nothing is saved without --out" : `what is done is saved in ${out}; the same command goes on`}`,
    );
    process.exitCode = interrupt.exitCode;
  } else if (targets.some(({ text }) => result.environment.engines?.[text]?.available !== true)) process.exitCode = 4;
}

function changesOf({ what, change }: SensitivityWords): readonly string[] {
  if (what !== undefined && change !== undefined) throw new UsageError("--what and --change: each says what to try. Keep one");
  const steps = change ?? stepsOf(what === undefined ? CHANGE_KINDS : parseKinds(what));
  return [...new Set(steps.map((step) => parseChange(step, "--change")))];
}

function save(path: string, result: Sensitivity): void {
  checkDocument(SENSITIVITY_DOCUMENT, result, path);
  writeFileAtomic(path, `${JSON.stringify(result, null, 1)}\n`, "--out");
}

function textOf(result: Sensitivity, format: SensitivityWords["format"]): string {
  switch (format) {
    case "json":
      return `${JSON.stringify(result, null, 1)}\n`;
    case "svg":
      return heatMapSvg(sensitivityMap(result));
    case "html":
      return heatMapHtml(sensitivityMap(result));
    case "table":
      return `${sensitivityTable(result, renderOptionsFor(process.stdout, process.env).colour)}\n`;
  }
}
