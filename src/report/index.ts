/** The formats of reports, one list. */
import { UsageError } from "../errors.ts";
import { csvExporter } from "./csv.ts";
import type { Exporter, RenderOptions } from "./exporter.ts";
import { jsonExporter } from "./json.ts";
import { ledgerExporter } from "./ledger.ts";
import { markdownExporter } from "./markdown.ts";
import { tableExporter } from "./table.ts";

export type { Exporter, RenderOptions } from "./exporter.ts";

export const EXPORTERS: readonly Exporter[] = [tableExporter, jsonExporter, markdownExporter, csvExporter, ledgerExporter];

export const FORMATS: readonly string[] = EXPORTERS.map((exporter) => exporter.name);

/** @throws UsageError for a format that there is not */
export function findExporter(name: string): Exporter {
  const exporter = EXPORTERS.find((candidate) => candidate.name === name);
  if (exporter === undefined) throw new UsageError(`--format: got "${name}", expected ${FORMATS.join(", ")}`);
  return exporter;
}

/** Terminals narrower than this wrap; where the output is no terminal, tables take this width. */
const DEFAULT_WIDTH = 120;

/** Width and colour for a stream: colour only on a terminal, and not where NO_COLOR is set. */
export function renderOptionsFor(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  env: Readonly<Record<string, string | undefined>> = {},
): RenderOptions {
  const terminal = stream.isTTY === true;
  const noColour = env["NO_COLOR"] !== undefined && env["NO_COLOR"] !== "";
  return { width: terminal ? (stream.columns ?? DEFAULT_WIDTH) : DEFAULT_WIDTH, colour: terminal && !noColour && env["TERM"] !== "dumb" };
}
