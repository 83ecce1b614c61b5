/** `bench profile MODEL --target T`: where an inference's time goes, op by op. */
import { Command, Option } from "commander";
import { parseRecipe } from "../compress/recipe.ts";
import { UsageError } from "../errors.ts";
import { profileModel } from "../harness/profile.ts";
import type { Profile, ProfiledOp } from "../harness/profile.ts";
import { parseTarget } from "../harness/target.ts";
import { ABSENT, significant } from "../report/format.ts";
import { renderOptionsFor } from "../report/index.ts";
import { traceText } from "../report/trace.ts";
import { writeFileAtomic } from "../results/store.ts";
import { chooseModel } from "./choose-model.ts";
import { addBrowserOptions, browserChoice, collectShape, seconds, wholeNumber } from "./options.ts";
import type { BrowserWords } from "./options.ts";
import { drawTable } from "./plain-table.ts";
import type { Head } from "./plain-table.ts";

interface ProfileOptions extends BrowserWords {
  readonly target: string;
  readonly recipe: string;
  readonly dataset?: string;
  readonly shape?: ReadonlyMap<string, readonly number[]>;
  readonly runs: number;
  readonly seed: number;
  readonly top?: number;
  readonly trace?: string;
  readonly timeout: number;
  readonly format: string;
  readonly verbose?: boolean;
}

export function profileCommand(): Command {
  return addBrowserOptions(
    new Command("profile")
      .description("show where an inference's time goes, op by op")
      .argument("<model>", "an .onnx, .tflite or .slim file, npm:PACKAGE/PATH, or a model of the suite mobile")
      .option("--target <target>", "where to run it", "wasm")
      .option("--recipe <recipe>", "compress it first", "fp32")
      .option("--dataset <name>", "what int8 calibrates on: mnist, textlines, or a header .json")
      .option("--shape <NAME=DIMS>", "bind an input's dynamic dimensions, e.g. x=1,3,48,192; repeatable", collectShape)
      .option("--runs <n>", "instrumented inferences", wholeNumber, 200)
      .option("--top <n>", "only the slowest ops, slowest first", wholeNumber)
      .option("--trace <file>", "also write a trace for ui.perfetto.dev or chrome://tracing")
      .option("--seed <n>", "for inputs and calibration samples", wholeNumber, 1)
      .option("--timeout <seconds>", "end the child after so long without a sign of life", seconds, 120)
      .addOption(new Option("--format <format>", "form of the output").choices(["table", "json"]).default("table"))
      .action(profile),
  );
}

async function profile(word: string, options: ProfileOptions): Promise<void> {
  if (options.runs < 1) throw new UsageError("--runs 0: expected at least 1");
  const result = await profileModel({
    model: chooseModel(word, { dataset: options.dataset, shapes: options.shape }),
    recipe: parseRecipe(options.recipe),
    target: parseTarget(options.target),
    runs: options.runs,
    seed: options.seed,
    silenceMs: options.timeout * 1000,
    ...browserChoice(options),
    ...(options.verbose === true ? { onStderr: (text: string) => process.stderr.write(text) } : {}),
  });
  const { model, recipe, target, ops } = result;
  if (options.trace !== undefined) {
    writeFileAtomic(
      options.trace,
      new TextEncoder().encode(traceText(`${model} ${recipe} ${target}`, ops, result.gpu === undefined ? undefined : result.plainMs)),
      "--trace",
    );
  }
  if (options.format === "json") console.log(JSON.stringify(result, null, 2));
  else console.log(profileText(result, options.top, renderOptionsFor(process.stdout, process.env).colour));
}

const HEADS: readonly Head[] = [
  ["#", "right"],
  ["layer", "left"],
  ["op", "left"],
  ["output", "left"],
  ["kernel", "left"],
  ["ms", "right"],
  ["share", "right"],
  ["sum", "right"],
  ["GFLOP/s", "right"],
  ["GB/s", "right"],
  ["of ceiling", "right"],
];

function profileText(result: Profile, top: number | undefined, colour: boolean): string {
  const { ops, plainMs, instrumentedMs, runs, adapter, software } = result;
  const total = ops.reduce((sum, { ms }) => sum + ms, 0);
  const numbered = ops.map((op, i) => ({ op, order: i + 1 }));
  const shown = top === undefined ? numbered : numbered.sort((a, b) => b.op.ms - a.op.ms).slice(0, top);
  let sum = 0;
  const rows = shown.map(({ op, order }) => {
    sum += op.ms;
    return [String(order), ...opCells(op, total, sum)];
  });
  rows.push(["", "all ops", "", "", "", significant(total), "", "", ...rates(sumOf(ops), total), ""]);
  const where = adapter === undefined ? "" : `, ${adapter}${software ? " (software GPU)" : ""}`;
  return [
    `${result.model} · ${result.recipe} · ${result.target}${where}`,
    drawTable(HEADS, rows, colour),
    `an inference without instruments: ${significant(plainMs)} ms; with them: ${significant(instrumentedMs)} ms; medians of ${runs}, taken in turn`,
    ...gpuText(result),
    ceilingText(result),
    "GFLOP/s: 2 × multiply-accumulates of the original layer, zeros included, and 1 an element for each addition and activation; GB/s: inputs, weights and output, each once",
  ].join("\n");
}

function opCells(op: ProfiledOp, total: number, sum: number): readonly string[] {
  const share = (ms: number): string => (total === 0 ? ABSENT : `${((100 * ms) / total).toFixed(1)} %`);
  const output = `[${op.output.join(", ")}]`;
  return [
    op.nodes.join(" + "),
    opText(op),
    output,
    op.kernel,
    significant(op.ms),
    share(op.ms),
    share(sum),
    ...rates(op, op.ms),
    boundText(op),
  ];
}

function opText({ ops, helper }: ProfiledOp): string {
  return helper === true ? `for ${ops.join("+")}` : ops.join("+");
}

function boundText({ bound }: ProfiledOp): string {
  return bound === undefined ? ABSENT : `${(100 * bound.share).toFixed(bound.share < 0.1 ? 1 : 0)} % ${bound.by}`;
}

/** What the ceilings are, and that they are measured. */
function ceilingText({ ceilings }: Profile): string {
  if (ceilings.length === 0) return "no ceiling is known of this engine here";
  const text = ceilings.map(
    ({ type, name, giga }) => `${significant(giga)} ${type === "copy" ? "GB/s" : `G${type === "int8" ? "" : "FL"}OP/s`} (${name})`,
  );
  return `ceilings, measured in the same process: ${text.join(", ")}; a share is the least possible time over the measured one, by what bounds it; above 100 %: zeros were skipped, or bytes came from nearer caches`;
}

/** The three numbers of a GPU inference, and what they cost beside it. */
function gpuText({ gpu, plainMs }: Profile): readonly string[] {
  if (gpu === undefined) return [];
  const { spanMs, kernelsMs, gridNs, samples, dropped, submitReadMs, dispatchMs } = gpu;
  const ms = (value: number | undefined): string => (value === undefined ? "not measured" : `${significant(value)} ms`);
  const numbers = `an inference: ${ms(plainMs)} from submit to mapped outputs; ${ms(spanMs)} on the GPU; ${ms(kernelsMs)} sum of kernels`;
  const clock =
    gridNs === undefined
      ? "the device has no clock of its own: ops are wall times of a submission each"
      : `GPU clock: ticks of ${significant(gridNs)} ns, each region spans 100 at least; ${samples ?? 0} samples, ${dropped ?? 0} readings dropped`;
  const each = dispatchMs === undefined ? "" : `, each dispatch ${significant(1000 * dispatchMs)} µs`;
  return [numbers, clock, ...(submitReadMs === undefined ? [] : [`an empty submission with read-back takes ${ms(submitReadMs)}${each}`])];
}

type Counted = Pick<ProfiledOp, "operations" | "bytes">;

function sumOf(ops: readonly ProfiledOp[]): Counted {
  return { operations: ops.reduce((sum, { operations }) => sum + operations, 0), bytes: ops.reduce((sum, { bytes }) => sum + bytes, 0) };
}

function rates({ operations, bytes }: Counted, ms: number): readonly string[] {
  const rate = (count: number): string => (count === 0 || ms === 0 ? ABSENT : significant(count / ms / 1e6));
  return [rate(operations), rate(bytes)];
}
