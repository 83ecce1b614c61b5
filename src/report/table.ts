/**
 * The terminal table: models grouped, recipes with their targets, the best of each model marked, and below it everything that a number
 * needs to be read rightly. Shows as many columns as the terminal has room for.
 */
import Table from "cli-table3";
import pc from "picocolors";
import type { Comparison, CompareRow, MetricVerdict, Verdict } from "../results/compare.ts";
import type { Result, ResultRecord } from "../results/schema.ts";
import {
  accuracyColumn,
  EXTRA_COLUMNS,
  fileColumn,
  latencyColumn,
  MARKS,
  memoryColumn,
  narrowLatencyColumn,
  parityColumn,
  speedupColumn,
  treeColumn,
} from "./columns.ts";
import type { Column } from "./columns.ts";
import type { Exporter, RenderOptions } from "./exporter.ts";
import { ABSENT, bytesText, changeText, countText, percentText, pointsText, significant } from "./format.ts";
import { codedTable, isKernelResult, kernelLegend, ratesTable, sweepTable } from "./kernels.ts";
import type { TextTable } from "./kernels.ts";
import { comparisonSummary, environmentLines } from "./verdicts.ts";
import { headerLines, modelViews, reasonLines, reasonNumbers, sampledLine, warningLines } from "./view.ts";
import type { ModelView, RecordView } from "./view.ts";

type Colours = ReturnType<typeof pc.createColors>;
type Numbers = ReturnType<typeof reasonNumbers>;

interface Layout {
  readonly columns: readonly Column[];
  /** Put the steps of a recipe on the lines of its targets. */
  readonly splitRecipes: boolean;
}

/** Widest first. */
function layoutsOf(views: readonly ModelView[]): readonly Layout[] {
  const hasTrees = views.some(({ records }) => records.some(({ record }) => record.compute?.treeNodes !== undefined));
  const shared = [speedupColumn, fileColumn, ...(hasTrees ? [treeColumn] : []), memoryColumn, accuracyColumn, parityColumn];
  return [
    ...EXTRA_COLUMNS.map((_, dropped) => ({
      columns: [latencyColumn, ...shared, ...EXTRA_COLUMNS.slice(0, EXTRA_COLUMNS.length - dropped)],
      splitRecipes: false,
    })),
    { columns: [latencyColumn, ...shared], splitRecipes: false },
    { columns: [narrowLatencyColumn, ...shared], splitRecipes: false },
    { columns: [narrowLatencyColumn, ...shared], splitRecipes: true },
  ];
}

export const tableExporter: Exporter = {
  name: "table",
  results: (results, options) =>
    results.map((result) => (isKernelResult(result) ? kernelsText(result, options) : resultText(result, options))).join("\n"),
  comparison: comparisonText,
};

function resultText(result: Result, { width, colour }: RenderOptions): string {
  const colours = pc.createColors(colour);
  const views = modelViews(result.records);
  const lines = headerLines(result).map((line) => colours.dim(line));
  if (views.length === 0) return [...lines, "no records", ""].join("\n");
  const numbers = reasonNumbers(views);
  let table = "";
  for (const layout of layoutsOf(views)) {
    // Plain text tells the width; colours come in once it fits.
    const plain = draw(views, layout, numbers, pc.createColors(false));
    table = draw(views, layout, numbers, colours);
    if (plain.indexOf("\n") <= width) break;
  }
  const notes = [...legend(views), ...reasonLines(views), ...warningLines(views).map((line) => `warning: ${line}`)];
  return [...lines, table, ...notes, ""].join("\n");
}

/** Widths of the sweep table's fixed columns and of one of its others. */
const SWEEP_WIDTHS = { fixed: 62, share: 11 } as const;

function kernelsText(result: Result, { width, colour }: RenderOptions): string {
  const colours = pc.createColors(colour);
  const views = modelViews(result.records);
  const numbers = reasonNumbers(views);
  const shares = Math.max(3, Math.floor((width - SWEEP_WIDTHS.fixed) / SWEEP_WIDTHS.share));
  const tables = [ratesTable(views, numbers), sweepTable(result, shares), codedTable(result)].flatMap((table) =>
    table === undefined ? [] : [table],
  );
  return [
    ...headerLines(result).map((line) => colours.dim(line)),
    ...tables.map((table, i) => `${i === 0 ? "" : "\n"}${drawText(table, colours)}`),
    ...kernelLegend(result),
    ...reasonLines(views),
    ...warningLines(views).map((line) => `warning: ${line}`),
    "",
  ].join("\n");
}

function drawText({ heads, aligns, rows }: TextTable, colours: Colours): string {
  const table = newTable(heads, aligns, colours);
  for (const row of rows) table.push([...row]);
  return trimLines(table.toString());
}

function legend(views: readonly ModelView[]): readonly string[] {
  const records = views.flatMap((view) => view.records);
  const sampled = sampledLine(views);
  return [
    ...(records.some(({ best }) => best.latency || best.size || best.accuracy) ? [`${MARKS.best} best of the model`] : []),
    ...(records.some(({ software }) => software) ? [`${MARKS.software} on a software GPU: not comparable with hardware`] : []),
    ...(sampled === undefined ? [] : [`${MARKS.sampled} ${sampled}`]),
    "memory: weights as the engine holds them and peak activations",
  ];
}

function draw(views: readonly ModelView[], { columns, splitRecipes }: Layout, numbers: Numbers, colours: Colours): string {
  const table = newTable(
    ["recipe", "target", ...columns.map((column) => column.header)],
    ["left", "left", ...columns.map((column) => column.align)],
    colours,
  );
  for (const view of views) {
    const space = view === views[0] ? "" : "\n";
    table.push([{ colSpan: columns.length + 2, content: `${space}${groupTitle(view, colours)}` }]);
    view.records.forEach((record, i) =>
      table.push(recordCells(record, recipeCell(view.records, i, splitRecipes), columns, numbers, colours)),
    );
  }
  return trimLines(table.toString());
}

function trimLines(text: string): string {
  return text.replace(/ +$/gm, "");
}

function groupTitle({ model, records }: ModelView, colours: Colours): string {
  const original = records.find(({ record }) => record.recipe === "fp32" && record.size !== undefined)?.record;
  const facts = original === undefined ? "" : `  ${factsText(original)}`;
  return `${colours.bold(model)}${colours.dim(facts)}`;
}

function factsText({ size, compute }: ResultRecord): string {
  const { trees, treeNodes, treeLeaves } = compute ?? {};
  if (treeNodes === undefined) return `${countText(size?.params)} parameters, ${countText(compute?.macs)} MACs`;
  return `${countText(trees)} ${trees === 1 ? "tree" : "trees"}, ${countText(treeNodes)} nodes, ${countText(treeLeaves)} leaves`;
}

/** A recipe's name on the first row of its targets, or its steps down those rows. */
function recipeCell(records: readonly RecordView[], at: number, split: boolean): string {
  const { recipe } = records[at]?.record ?? { recipe: "" };
  const first = records.findIndex(({ record }) => record.recipe === recipe);
  const rows = records.filter(({ record }) => record.recipe === recipe).length;
  const position = at - first;
  if (!split) return position === 0 ? recipe : "";
  const steps = recipe.split("+").map((step, i) => (i === 0 ? step : `  +${step}`));
  return position < rows - 1 ? (steps[position] ?? "") : steps.slice(position).join("\n");
}

function recordCells(view: RecordView, recipe: string, columns: readonly Column[], numbers: Numbers, colours: Colours): string[] {
  const { record, software } = view;
  const target = software ? `${record.target}${MARKS.software}` : record.target;
  const cells = columns.map((column) => {
    const text = column.text(view);
    if (column.best === undefined) return text;
    // The blank keeps numbers aligned with marked ones.
    return column.best(view) ? colours.green(`${text}${MARKS.best}`) : `${text} `;
  });
  if (record.status !== "ok") {
    cells[0] = (record.status === "failed" ? colours.red : colours.yellow)(`${record.status} [${numbers.get(record) ?? 0}]`);
  }
  const parity = columns.indexOf(parityColumn);
  if (record.parity?.pass === false) cells[parity] = colours.red(cells[parity] ?? "");
  return [recipe, target, ...cells];
}

function newTable(head: readonly string[], aligns: readonly ("left" | "right")[], colours: Colours): Table.Table {
  const line = colours.dim("─");
  return new Table({
    head: head.map((text) => colours.dim(text)),
    colAligns: [...aligns],
    style: { head: [], border: [], compact: true, "padding-left": 0, "padding-right": 1 },
    chars: {
      top: line,
      "top-mid": line,
      "top-left": "",
      "top-right": "",
      mid: line,
      "mid-mid": line,
      "left-mid": "",
      "right-mid": "",
      bottom: line,
      "bottom-mid": line,
      "bottom-left": "",
      "bottom-right": "",
      left: "",
      right: "",
      middle: " ",
    },
  });
}

function comparisonText(comparison: Comparison, { colour }: RenderOptions): string {
  const colours = pc.createColors(colour);
  if (comparison.differences.length > 0) return [...environmentLines(comparison), ""].join("\n");
  const heads = ["verdict", "model", "recipe", "target", "latency ms", "change", "file", "accuracy", "parity"];
  const table = newTable(heads, ["left", "left", "left", "left", "right", "right", "right", "right", "left"], colours);
  for (const row of comparison.rows) table.push(comparisonCells(row, colours));
  const notes = comparison.rows.flatMap((row) => notesOf(row).map((note) => `${row.model} ${row.recipe} ${row.target}: ${note}`));
  return [trimLines(table.toString()), ...notes, comparisonSummary(comparison), ""].join("\n");
}

function comparisonCells(row: CompareRow, colours: Colours): string[] {
  const { latency, size, accuracy, parity } = row;
  const paint = painter(row.verdict, colours);
  const from = (metric: MetricVerdict | undefined, text: (value: number) => string): string => {
    if (metric?.base === undefined || metric.current === undefined) return ABSENT;
    const moved = metric.base === metric.current ? text(metric.base) : `${text(metric.base)} → ${text(metric.current)}`;
    return painter(metric.verdict, colours)(moved);
  };
  return [
    paint(row.verdict),
    row.model,
    row.recipe,
    row.target,
    from(latency, significant),
    latency?.change === undefined ? ABSENT : painter(latency.verdict, colours)(changeText(latency.change)),
    from(size, bytesText),
    accuracy?.change === undefined ? from(accuracy, percentText) : painter(accuracy.verdict, colours)(pointsText(accuracy.change / 100)),
    parity === undefined ? ABSENT : painter(parity.verdict, colours)(parity.verdict),
  ];
}

function notesOf(row: CompareRow): readonly string[] {
  const metrics = [row.latency, row.size, row.accuracy, row.parity].flatMap((metric) => metric?.note ?? []);
  return row.note === undefined ? metrics : [row.note, ...metrics];
}

function painter(verdict: Verdict, colours: Colours): (text: string) => string {
  switch (verdict) {
    case "regression":
      return colours.red;
    case "improvement":
      return colours.green;
    case "unknown":
    case "missing":
      return colours.yellow;
    case "new":
    case "same":
      return (text) => text;
  }
}
