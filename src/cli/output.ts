/** Results and verdicts on standard output, through the exporter that --format names. */
import { findExporter, renderOptionsFor } from "../report/index.ts";
import type { Comparison } from "../results/compare.ts";
import type { Result } from "../results/schema.ts";

export function printResult(result: Result, format: string): void {
  process.stdout.write(findExporter(format).results([result], renderOptionsFor(process.stdout, process.env)));
}

/** On standard error where the result itself went to standard output for a program to read. */
export function printComparison(comparison: Comparison, format: string): void {
  const table = format === "table" || format === "md";
  const stream = table ? process.stdout : process.stderr;
  stream.write(findExporter(table ? format : "table").comparison(comparison, renderOptionsFor(stream, process.env)));
}
