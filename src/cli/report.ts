/** `bench report RESULT…`: result files in any of the formats. */
import { Command, Option } from "commander";
import { findExporter, FORMATS, renderOptionsFor } from "../report/index.ts";
import { readResult, writeFileAtomic } from "../results/store.ts";

interface ReportOptions {
  readonly format: string;
  readonly out?: string;
}

export function reportCommand(): Command {
  return new Command("report")
    .description("print a table from result files")
    .argument("<result...>", "one or several result.json files")
    .addOption(new Option("--format <format>", "form of the output").choices(FORMATS).default("table"))
    .option("-o, --out <file>", "write there instead of to standard output")
    .action(report);
}

function report(paths: readonly string[], { format, out }: ReportOptions): void {
  const exporter = findExporter(format);
  const options = renderOptionsFor(process.stdout, process.env);
  const text = exporter.results(
    paths.map((path) => readResult(path)),
    out === undefined ? options : { ...options, colour: false },
  );
  if (out === undefined) process.stdout.write(text);
  else writeFileAtomic(out, text, "--out");
}
