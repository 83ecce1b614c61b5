/** GitHub-flavoured Markdown: a heading and a table for each model, the same notes as the terminal's. */
import type { Comparison, CompareRow, MetricVerdict } from "../results/compare.ts";
import type { Result } from "../results/schema.ts";
import { accuracyColumn, EXTRA_COLUMNS, fileColumn, latencyColumn, MARKS, memoryColumn, parityColumn, speedupColumn } from "./columns.ts";
import type { Column } from "./columns.ts";
import type { Exporter } from "./exporter.ts";
import { ABSENT, bytesText, changeText, percentText, pointsText, significant } from "./format.ts";
import { codedTable, isKernelResult, kernelLegend, ratesTable, sweepTable } from "./kernels.ts";
import { comparisonSummary, environmentLines } from "./verdicts.ts";
import { headerLines, modelViews, reasonLines, reasonNumbers, sampledLine, warningLines } from "./view.ts";
import type { ModelView } from "./view.ts";

const COLUMNS: readonly Column[] = [
  latencyColumn,
  speedupColumn,
  fileColumn,
  ...EXTRA_COLUMNS.slice(0, 1),
  memoryColumn,
  accuracyColumn,
  parityColumn,
];

export const markdownExporter: Exporter = {
  name: "md",
  results: (results) => results.map((result) => (isKernelResult(result) ? kernelsText(result) : resultText(result))).join("\n"),
  comparison: comparisonText,
};

function resultText(result: Result): string {
  const views = modelViews(result.records);
  const sampled = sampledLine(views);
  const notes = [
    ...(views.some(({ records }) => records.some(({ software }) => software))
      ? [`${MARKS.software} on a software GPU: not comparable with hardware`]
      : []),
    ...(sampled === undefined ? [] : [`${MARKS.sampled} ${sampled}`]),
    ...reasonLines(views),
    ...warningLines(views).map((line) => `warning: ${line}`),
  ];
  const parts = [headerLines(result).map(escape).join("  \n"), ...views.map((view) => modelText(view, views))];
  if (notes.length > 0) parts.push(notes.map((note) => `- ${escape(note)}`).join("\n"));
  return `${parts.join("\n\n")}\n`;
}

function kernelsText(result: Result): string {
  const views = modelViews(result.records);
  const tables = [ratesTable(views, reasonNumbers(views)), sweepTable(result, Infinity), codedTable(result)].flatMap((table) =>
    table === undefined ? [] : [table],
  );
  const notes = [...kernelLegend(result), ...reasonLines(views), ...warningLines(views).map((line) => `warning: ${line}`)];
  const parts = [
    headerLines(result).map(escape).join("  \n"),
    ...tables.map(({ heads, aligns, rows }) =>
      tableText(
        heads,
        aligns,
        rows.map((row) => row.map(escape)),
      ),
    ),
    notes.map((note) => `- ${escape(note)}`).join("\n"),
  ];
  return `${parts.join("\n\n")}\n`;
}

function modelText({ model, records }: ModelView, views: readonly ModelView[]): string {
  const numbers = reasonNumbers(views);
  const rows = records.map((view) => {
    const { record, software } = view;
    const cells = COLUMNS.map((column) => {
      const text = escape(column.text(view));
      return column.best?.(view) === true ? `**${text}**` : text;
    });
    if (record.status !== "ok") cells[0] = `${record.status} \\[${numbers.get(record) ?? 0}\\]`;
    return [`\`${record.recipe.replaceAll("|", "\\|")}\``, `${escape(record.target)}${software ? MARKS.software : ""}`, ...cells];
  });
  const aligns = ["left", "left", ...COLUMNS.map((column) => column.align)];
  return `### ${escape(model)}\n\n${tableText(["recipe", "target", ...COLUMNS.map((column) => column.header)], aligns, rows)}`;
}

function tableText(heads: readonly string[], aligns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(heads), line(aligns.map((align) => (align === "right" ? "---:" : "---"))), ...rows.map(line)].join("\n");
}

/** Characters that Markdown would read as markup. */
function escape(text: string): string {
  return text.replace(/[|*_`<>[\]\\]/g, (character) => `\\${character}`);
}

function comparisonText(comparison: Comparison): string {
  if (comparison.differences.length > 0) {
    const [first = "", ...rest] = environmentLines(comparison).map((line) => escape(line.trim()));
    const last = rest.pop() ?? "";
    return `${first}\n\n${rest.map((line) => `- ${line}`).join("\n")}\n\n${last}\n`;
  }
  const heads = ["verdict", "model", "recipe", "target", "latency ms", "change", "file", "accuracy", "parity", "note"];
  const aligns = ["left", "left", "left", "left", "right", "right", "right", "right", "left", "left"];
  return `${tableText(heads, aligns, comparison.rows.map(comparisonCells))}\n\n${escape(comparisonSummary(comparison))}\n`;
}

function comparisonCells(row: CompareRow): readonly string[] {
  const { latency, size, accuracy, parity } = row;
  const notes = [row.note, latency?.note, size?.note, accuracy?.note, parity?.note].filter((note) => note !== undefined);
  return [
    row.verdict === "regression" ? "**regression**" : row.verdict,
    escape(row.model),
    `\`${row.recipe.replaceAll("|", "\\|")}\``,
    escape(row.target),
    fromTo(latency, significant),
    latency?.change === undefined ? ABSENT : changeText(latency.change),
    fromTo(size, bytesText),
    accuracy?.change === undefined ? fromTo(accuracy, percentText) : pointsText(accuracy.change / 100),
    parity?.verdict ?? ABSENT,
    escape(notes.join("; ")),
  ];
}

function fromTo(metric: MetricVerdict | undefined, text: (value: number) => string): string {
  if (metric?.base === undefined || metric.current === undefined) return ABSENT;
  return metric.base === metric.current ? text(metric.base) : `${text(metric.base)} → ${text(metric.current)}`;
}
