/**
 * The gate: did anything get worse between two results of the same machine? Latency is noisy, so it regresses only where the noise, that
 * between processes included, does not explain the difference, and the medians differ by more than a threshold. Size, accuracy and parity are exact: any change counts.
 * All statistics of the verdict are behind `compareResults`.
 */
import { ratioOfProcesses } from "../stats/processes.ts";
import { recordKey } from "./schema.ts";
import type { Latency, OkRecord, Result, ResultRecord } from "./schema.ts";

export type Verdict = "regression" | "improvement" | "same" | "unknown" | "missing" | "new";

export interface MetricVerdict {
  readonly verdict: "regression" | "improvement" | "same" | "unknown";
  readonly base?: number;
  readonly current?: number;
  /** (current / base - 1) × 100; for accuracy the difference in points. */
  readonly change?: number;
  /** Why, where the numbers do not say it. */
  readonly note?: string;
}

export interface CompareRow {
  readonly model: string;
  readonly recipe: string;
  readonly target: string;
  /** The worst of its metrics; `missing` from the current result, `new` in it. */
  readonly verdict: Verdict;
  /** Milliseconds, median. */
  readonly latency?: MetricVerdict;
  /** Bytes of the model file. */
  readonly size?: MetricVerdict;
  /** 0..1 */
  readonly accuracy?: MetricVerdict;
  readonly parity?: MetricVerdict;
  /** What happened to a row that is not `ok` on both sides. */
  readonly note?: string;
}

export interface EnvironmentDifference {
  readonly what: string;
  readonly base: string;
  readonly current: string;
}

export interface Comparison {
  readonly thresholdPercent: number;
  /** Not empty: the two were not taken in the same environment, and nothing was compared. */
  readonly differences: readonly EnvironmentDifference[];
  /** Rows of the base in its order, then new ones. */
  readonly rows: readonly CompareRow[];
  /** 0 nothing regressed · 1 something did · 3 nothing could be concluded. */
  readonly exitCode: 0 | 1 | 3;
}

export interface CompareOptions {
  /** Latency may change by this much before it counts. Default 5. */
  readonly thresholdPercent?: number;
}

export const DEFAULT_THRESHOLD_PERCENT = 5;

export function compareResults(base: Result, current: Result, options: CompareOptions = {}): Comparison {
  const thresholdPercent = options.thresholdPercent ?? DEFAULT_THRESHOLD_PERCENT;
  const before = new Map(base.records.map((record) => [recordKey(record), record]));
  const after = new Map(current.records.map((record) => [recordKey(record), record]));
  const differences = environmentDifferences(base, current, before, after);
  if (differences.length > 0) return { thresholdPercent, differences, rows: [], exitCode: 3 };

  const rows: CompareRow[] = [];
  for (const [key, record] of before) {
    const other = after.get(key);
    rows.push(other === undefined ? { ...identity(record), verdict: "missing", note: "not in the current result" } : compareRecords(record, other, thresholdPercent));
  }
  for (const [key, record] of after) if (!before.has(key)) rows.push({ ...identity(record), verdict: "new", note: "not in the base" });
  return { thresholdPercent, differences, rows, exitCode: exitCodeOf(rows) };
}

function exitCodeOf(rows: readonly CompareRow[]): 0 | 1 | 3 {
  if (rows.some((row) => row.verdict === "regression")) return 1;
  return rows.some((row) => row.verdict === "same" || row.verdict === "improvement") ? 0 : 3;
}

/** What must be equal for two latencies to be comparable. Memory size and kernel version may differ. */
const ENVIRONMENT_FIELDS = ["platform", "arch", "cpuModel", "cpuCount", "node", "v8"] as const;

function environmentDifferences(
  base: Result,
  current: Result,
  before: ReadonlyMap<string, ResultRecord>,
  after: ReadonlyMap<string, ResultRecord>,
): readonly EnvironmentDifference[] {
  const differences: EnvironmentDifference[] = [];
  const compare = (what: string, a: string | number | undefined, b: string | number | undefined): void => {
    if (a !== b) differences.push({ what, base: String(a ?? "not recorded"), current: String(b ?? "not recorded") });
  };
  for (const field of ENVIRONMENT_FIELDS) compare(field, base.environment[field], current.environment[field]);
  const seen = new Set<string>();
  for (const [key, { target, device }] of before) {
    const other = after.get(key)?.device;
    if (device === undefined || other === undefined || seen.has(target)) continue;
    seen.add(target);
    compare(`adapter of ${target}`, adapterText(device), adapterText(other));
  }
  for (const target of new Set([...before].filter(([key]) => after.has(key)).map(([, record]) => record.target))) {
    compare(`browser of ${target}`, browserOf(base, target), browserOf(current, target));
  }
  return differences;
}

function browserOf({ environment }: Result, target: string): string | undefined {
  const browser = environment.engines?.[target]?.facts?.["browser"];
  return browser === undefined ? undefined : String(browser);
}

function adapterText(device: { readonly adapter: string; readonly software: boolean }): string {
  return device.software ? `${device.adapter} (software)` : device.adapter;
}

function identity({ model, recipe, target }: ResultRecord): Pick<CompareRow, "model" | "recipe" | "target"> {
  return { model, recipe, target };
}

function compareRecords(base: ResultRecord, current: ResultRecord, thresholdPercent: number): CompareRow {
  if (base.status !== "ok" || current.status !== "ok") return compareStatus(base, current);
  const metrics = {
    latency: compareLatency(base.latencyMs, current.latencyMs, thresholdPercent),
    ...optional("size", compareSize(base, current)),
    ...optional("accuracy", compareAccuracy(base, current)),
    ...optional("parity", compareParity(base, current)),
  };
  const verdicts = Object.values(metrics).map((metric) => metric.verdict);
  // Accuracy on other samples stays open, but it does not keep the rest from a verdict.
  const verdict = verdicts.includes("regression")
    ? "regression"
    : metrics.latency.verdict === "unknown"
      ? "unknown"
      : verdicts.includes("improvement")
        ? "improvement"
        : "same";
  return { ...identity(base), verdict, ...metrics };
}

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

/** A row that stopped working is a regression; one that worked on neither side says nothing. */
function compareStatus(base: ResultRecord, current: ResultRecord): CompareRow {
  const text = (record: ResultRecord): string => (record.status === "ok" ? "ok" : `${record.status} (${record.reason.code})`);
  const verdict = base.status === "ok" ? "regression" : current.status === "ok" ? "improvement" : "unknown";
  const message = current.status === "ok" ? "" : `: ${current.reason.message}`;
  return { ...identity(base), verdict, note: `was ${text(base)}, is ${text(current)}${message}` };
}

/**
 * Where both sides have several processes, by the interval of the ratio of their medians; else by whether the intervals of the two
 * overlap, which knows nothing of how processes differ where a side had one only.
 */
function compareLatency(base: Latency, current: Latency, thresholdPercent: number): MetricVerdict {
  const numbers = { base: base.median, current: current.median };
  if (base.ci95 === undefined || current.ci95 === undefined) {
    return { ...numbers, verdict: "unknown", note: `too few samples for an interval: ${base.n} and ${current.n}, at least 6 needed` };
  }
  if (base.median === 0) return { ...numbers, verdict: "unknown", note: "the base's median is 0: below the clock's step" };
  const change = (current.median / base.median - 1) * 100;
  const between = ratioOfProcesses(base.processes ?? [], current.processes ?? []);
  if (Math.abs(change) <= thresholdPercent) return { ...numbers, change, verdict: "same" };
  const verdict = change > 0 ? "regression" : "improvement";
  if (between === undefined) {
    const overlap = base.ci95[0] <= current.ci95[1] && current.ci95[0] <= base.ci95[1];
    return { ...numbers, change, ...(overlap ? { verdict: "unknown", note: "too noisy: the intervals overlap" } : { verdict }) };
  }
  const [low, high] = between.ci95;
  if (change > 0 ? low > 1 : high < 1) return { ...numbers, change, verdict };
  const range = `${low.toFixed(2)} to ${high.toFixed(2)} times the base's`;
  return { ...numbers, change, verdict: "unknown", note: `too noisy: processes differ, so that it may be ${range}` };
}

function compareSize(base: OkRecord, current: OkRecord): MetricVerdict | undefined {
  const [a, b] = [base.size?.fileBytes, current.size?.fileBytes];
  if (a === undefined || b === undefined) return undefined;
  return { base: a, current: b, ...(a > 0 && { change: (b / a - 1) * 100 }), verdict: b > a ? "regression" : b < a ? "improvement" : "same" };
}

function compareAccuracy(base: OkRecord, current: OkRecord): MetricVerdict | undefined {
  const [a, b] = [base.accuracy, current.accuracy];
  if (a === undefined || b === undefined) return undefined;
  const numbers = { base: a.value, current: b.value };
  if (a.metric !== b.metric) return { ...numbers, verdict: "unknown", note: `other metric: ${a.metric} and ${b.metric}` };
  if (a.n !== b.n || a.samples !== b.samples) return { ...numbers, verdict: "unknown", note: `other samples: ${a.n} and ${b.n}` };
  const change = (b.value - a.value) * 100;
  return { ...numbers, change, verdict: change < 0 ? "regression" : change > 0 ? "improvement" : "same" };
}

/** Failing is worse than passing within the tolerance, which is worse than equal to the bit. */
function compareParity(base: OkRecord, current: OkRecord): MetricVerdict | undefined {
  const [a, b] = [base.parity, current.parity];
  if (a === undefined || b === undefined) return undefined;
  const rank = (parity: { readonly pass: boolean; readonly exact: boolean }): number => (parity.pass ? (parity.exact ? 2 : 1) : 0);
  const words = ["fails", "within tolerance", "exact"];
  const [ra, rb] = [rank(a), rank(b)];
  if (ra === rb) return { verdict: "same" };
  return { verdict: rb < ra ? "regression" : "improvement", note: `was ${words[ra] ?? ""}, is ${words[rb] ?? ""}` };
}
