/**
 * What a report says about single layers: a table of rates, a table of the sweeps over sparsity with the share of zeros from which
 * skipping them pays, and one of compact codes. Plain cells; the exporters draw them.
 */
import { sweepOf } from "../results/break-even.ts";
import type { BreakEven, OkRecord, Result, ResultRecord } from "../results/schema.ts";
import { median } from "../stats/describe.ts";
import { ABSENT, significant } from "./format.ts";
import type { modelViews, reasonNumbers } from "./view.ts";

export interface TextTable {
  readonly heads: readonly string[];
  readonly aligns: readonly ("left" | "right")[];
  readonly rows: readonly (readonly string[])[];
}

type Numbers = ReturnType<typeof reasonNumbers>;
type Views = ReturnType<typeof modelViews>;

/** Whether the result is about layers, not models. */
export function isKernelResult({ records }: Result): boolean {
  return records.some(({ rates }) => rates !== undefined);
}

const RATE_HEADS = ["layer", "recipe", "target", "ms", "Gop/s", "non-zero", "of peak", "parity", "kernel"];
const RATE_ALIGNS = ["left", "left", "left", "right", "right", "right", "right", "left", "left"] as const;

/** Rows that belong to no sweep. */
export function ratesTable(views: Views, numbers: Numbers): TextTable {
  const rows: (readonly string[])[] = [];
  for (const { model, records } of views) {
    const shown = records.filter(
      ({ record }) => sweepOf(record) === undefined && (record.status !== "ok" || codedTarget(record) === undefined),
    );
    shown.forEach(({ record, software }, i) => {
      const target = `${record.target}${software ? "†" : ""}`;
      rows.push([i === 0 ? model : "", record.recipe, target, ...rateCells(record, numbers)]);
    });
  }
  return { heads: RATE_HEADS, aligns: RATE_ALIGNS, rows };
}

function rateCells(record: ResultRecord, numbers: Numbers): readonly string[] {
  const { rates, latencyMs, parity, kernels = [] } = record;
  if (record.status !== "ok") return [`${record.status} [${numbers.get(record) ?? 0}]`, ABSENT, ABSENT, ABSENT, ABSENT, kernels.join(" ")];
  return [
    latencyMs === undefined ? ABSENT : significant(latencyMs.median),
    rates === undefined ? ABSENT : significant(rates.denseGops),
    rates === undefined ? ABSENT : significant(rates.nonzeroGops),
    rates?.peakShare === undefined ? ABSENT : `${(100 * rates.peakShare).toFixed(0)} %`,
    parity === undefined ? ABSENT : parity.exact ? "exact" : "pass",
    kernels.join(" "),
  ];
}

/** Shares of zeros to show, the most telling first, as many as there is room for. */
const COLUMNS = [50, 80, 90, 70, 20, 95, 35, 10, 30, 60];

/** @param columns how many shares of zeros there is room for */
export function sweepTable({ breakEven = [], records }: Result, columns: number): TextTable | undefined {
  if (breakEven.length === 0) return undefined;
  const swept = new Map<string, OkRecord>();
  for (const record of records) {
    const sweep = record.status === "ok" ? sweepOf(record) : undefined;
    const zeros = percentOf(record);
    if (sweep !== undefined && zeros !== undefined && record.status === "ok")
      swept.set(keyOf(record.model, sweep.target, sweep.pattern, zeros), record);
  }
  const present = new Set([...swept.values()].map(percentOf));
  const shares = COLUMNS.filter((share) => present.has(share))
    .slice(0, columns)
    .sort((a, b) => a - b);
  const rows = breakEven.map((row, i) => [
    row.model === breakEven[i - 1]?.model ? "" : row.model,
    row.target,
    patternText(row.pattern),
    breakEvenText(row),
    ...shares.map((share) => {
      const { rates } = swept.get(keyOf(row.model, row.target, row.pattern, share)) ?? {};
      return rates === undefined ? ABSENT : `${significant(rates.denseGops)}/${significant(rates.nonzeroGops)}`;
    }),
  ]);
  return {
    heads: ["layer", "target", "zeros in", "pays from", ...shares.map((share) => `${share} %`)],
    aligns: ["left", "left", "left", "right", ...shares.map(() => "right" as const)],
    rows,
  };
}

/** Target option of rows that keep a compact code whatever it costs. */
const CODED = /[:,]coded=on$/;

/** The target of the dense row that a coded one is compared with; undefined for other rows. */
function codedTarget({ target }: ResultRecord): string | undefined {
  return CODED.test(target) ? target.replace(CODED, "") : undefined;
}

/** Layers that run on compact codes: their speed and the bytes of their weights against the dense row's. */
export function codedTable({ records }: Result): TextTable | undefined {
  const ok = records.filter((record): record is OkRecord => record.status === "ok");
  const coded = ok.filter((record) => codedTarget(record) !== undefined);
  if (coded.length === 0) return undefined;
  const recipes = [...new Set(coded.map(({ recipe }) => recipe))];
  const lines = new Map<string, { readonly model: string; readonly target: string; readonly dense: OkRecord }>();
  for (const record of coded) {
    const { model } = record;
    const target = codedTarget(record) ?? "";
    const dense = ok.find((other) => other.model === model && other.target === target && other.recipe === "fp32");
    if (dense !== undefined) lines.set(`${model} ${target}`, { model, target, dense });
  }
  const rows = [...lines.values()].map(({ model, target, dense }, i, all) => [
    model === all[i - 1]?.model ? "" : model,
    target,
    significant(dense.latencyMs.median),
    ...recipes.map((recipe) => {
      const row = coded.find((other) => other.model === model && other.recipe === recipe && codedTarget(other) === target);
      return row === undefined ? ABSENT : codedCell(row, dense);
    }),
  ]);
  return {
    heads: ["layer", "target", "dense ms", ...recipes],
    aligns: ["left", "left", "right", ...recipes.map(() => "right" as const)],
    rows,
  };
}

/** `0.72× 13 %` */
function codedCell(row: OkRecord, dense: OkRecord): string {
  const speedup = `${(dense.latencyMs.median / row.latencyMs.median).toFixed(2)}×`;
  const [own, all] = [row.memoryBytes?.weights, dense.memoryBytes?.weights];
  return own === undefined || all === undefined || all === 0 ? speedup : `${speedup} ${((100 * own) / all).toFixed(0)} %`;
}

function keyOf(model: string, target: string, pattern: string, percent: number): string {
  return `${model} ${target} ${pattern} ${percent}`;
}

/** Share of zeros, whole percent. */
function percentOf({ compute }: ResultRecord): number | undefined {
  const { macs, effectiveMacs } = compute ?? {};
  return macs === undefined || effectiveMacs === undefined || macs === 0 ? undefined : Math.round(100 * (1 - effectiveMacs / macs));
}

/** `prune:X,block=1x8,include=*+int8` → `1x8 blocks, int8`. */
function patternText(pattern: string): string {
  return pattern
    .split("+")
    .map((step) => {
      if (!step.startsWith("prune")) return step;
      const [, ...options] = step.split(",");
      const words = options
        .filter((option) => !option.startsWith("include="))
        .map((option) => option.replace(/^block=(.*)$/, "$1 blocks").replace(/^nm=(.*)$/, "$1"));
      return words.length === 0 ? "single weights" : words.join(" ");
    })
    .join(", ");
}

/** `12 %`; at the ends of a sweep, what it does not show. */
export function breakEvenText({ relation, zeros }: Pick<BreakEven, "relation" | "zeros">): string {
  const share = `${(100 * zeros).toFixed(0)} %`;
  if (relation === "at") return share;
  return relation === "below" ? `≤ ${share}` : `none to ${share}`;
}

/** What the columns mean, and the peak of each target: the median over its layers. */
export function kernelLegend({ records, breakEven = [] }: Result): readonly string[] {
  const peaks = new Map<string, { readonly text: string; readonly values: number[] }>();
  for (const { target, rates, ...record } of records) {
    if (rates?.peakGops === undefined) continue;
    const name = sweepOf({ target, ...record })?.target ?? target.replace(CODED, "");
    const text = `${name} ${rates.type} (${rates.peakOperation ?? "unknown"})`;
    const peak = peaks.get(text) ?? { text, values: [] };
    peaks.set(text, peak);
    peak.values.push(rates.peakGops);
  }
  const codes = records.some((record) => codedTarget(record) !== undefined);
  const peakText = [...peaks.values()].map(({ text, values }) => `${text} ${significant(median(values))}`);
  return [
    "ms: the layer alone, no copies in or out; all rows of a layer and engine in turn in one process",
    "Gop/s: 2 × all multiply-accumulates over the time (dense-equivalent, padding counted as data); non-zero: 2 × those whose weight is not zero",
    ...(peakText.length === 0
      ? []
      : [`of peak: non-zero rate over that of a loop on registers in the same rounds; Gop/s: ${peakText.join(", ")}`]),
    ...(codes ? ["under a code: the dense kernel's time over the coded one's, and its weights' bytes in those of the dense one"] : []),
    ...(breakEven.length === 0
      ? []
      : [
          "pays from: share of zeros from which the sparse kernel beats the dense one, interpolated; under a share: Gop/s dense-equivalent/non-zero",
        ]),
  ];
}
