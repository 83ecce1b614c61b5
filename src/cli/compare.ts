/** `bench compare BASE CURRENT`: the verdicts, and an exit code for a gate (0 fine, 1 regression, 3 nothing could be concluded). */
import { Command, Option } from "commander";
import { findExporter, FORMATS, renderOptionsFor } from "../report/index.ts";
import { compareResults, DEFAULT_THRESHOLD_PERCENT } from "../results/compare.ts";
import { readResult } from "../results/store.ts";
import { percent } from "./options.ts";

interface CompareWords {
  readonly threshold: number;
  readonly format: string;
}

export function compareCommand(): Command {
  return new Command("compare")
    .description("compare two result files and fail on a regression")
    .argument("<base>", "the result.json to compare with")
    .argument("<current>", "the result.json to judge")
    .option("--threshold <percent>", "latency may change by so much before it counts", percent, DEFAULT_THRESHOLD_PERCENT)
    .addOption(new Option("--format <format>", "form of the output").choices(FORMATS).default("table"))
    .action(compare);
}

function compare(base: string, current: string, options: CompareWords): void {
  const comparison = compareResults(readResult(base), readResult(current), { thresholdPercent: options.threshold });
  process.stdout.write(findExporter(options.format).comparison(comparison, renderOptionsFor(process.stdout, process.env)));
  process.exitCode = comparison.exitCode;
}
