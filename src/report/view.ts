/**
 * What every report says about a record beyond its own fields: grouping by model, the speed-up against the original on the same target,
 * which values are the best of the model, and the notes that explain marks, missing rows and warnings.
 */
import { ratio } from "../stats/ratio.ts";
import type { Latency, OkRecord, Result, ResultRecord } from "../results/schema.ts";
import { grouped, plural } from "./format.ts";

export interface RecordView {
  readonly record: ResultRecord;
  readonly speedup?: Speedup;
  /** Fastest, smallest file, most accurate among the model's records that are ok. */
  readonly best: { readonly latency: boolean; readonly size: boolean; readonly accuracy: boolean };
  /** Runs on a software GPU. */
  readonly software: boolean;
  /** Accuracy on part of the test set. */
  readonly sampled: boolean;
}

/** Times as fast as `fp32` on the same target. */
export interface Speedup {
  readonly value: number;
  /** Half of its 95 % interval, from those of the two medians. */
  readonly halfWidth?: number;
}

export interface ModelView {
  readonly model: string;
  /** Recipes in their order of appearance, each with its targets. */
  readonly records: readonly RecordView[];
}

const ORIGINAL = "fp32";

export function modelViews(records: readonly ResultRecord[]): readonly ModelView[] {
  const models = [...new Set(records.map((record) => record.model))];
  return models.map((model) => ({ model, records: viewsOf(records.filter((record) => record.model === model)) }));
}

function viewsOf(records: readonly ResultRecord[]): readonly RecordView[] {
  const ok = records.filter((record) => record.status === "ok");
  const fastest = best(
    ok.map((record) => record.latencyMs.median),
    Math.min,
  );
  const smallest = best(
    ok.map((record) => record.size?.fileBytes),
    Math.min,
  );
  const finest = best(
    // A value on part of the test set is not the best of values on all of it.
    ok.map((record) => (isSampled(record) ? undefined : record.accuracy?.value)),
    Math.max,
  );
  const recipes = [...new Set(records.map((record) => record.recipe))];
  const ordered = recipes.flatMap((recipe) => records.filter((record) => record.recipe === recipe));
  return ordered.map((record) => {
    const speedup = record.status === "ok" ? speedupOf(record, ok) : undefined;
    const { accuracy } = record;
    return {
      record,
      ...(speedup && { speedup }),
      best: {
        latency: record.status === "ok" && record.latencyMs.median === fastest,
        size: record.status === "ok" && record.size?.fileBytes !== undefined && record.size.fileBytes === smallest,
        accuracy: record.status === "ok" && !isSampled(record) && accuracy !== undefined && accuracy.value === finest,
      },
      software: record.device?.software === true,
      sampled: isSampled(record),
    };
  });
}

function isSampled({ accuracy }: ResultRecord): boolean {
  return accuracy?.of !== undefined && accuracy.n < accuracy.of;
}

/** The best value, or none when there is nothing to choose between. */
function best(values: readonly (number | undefined)[], choose: (...values: number[]) => number): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return new Set(known).size < 2 ? undefined : choose(...known);
}

function speedupOf(record: OkRecord, records: readonly OkRecord[]): Speedup | undefined {
  if (record.recipe === ORIGINAL) return undefined;
  const original = records.find((other) => other.recipe === ORIGINAL && other.target === record.target);
  const quotient = original && ratio(measured(original.latencyMs), measured(record.latencyMs));
  if (quotient === undefined) return undefined;
  return { value: quotient.value, ...(quotient.sd !== undefined && { halfWidth: quotient.sd }) };
}

function measured(latency: Latency): { readonly value: number; readonly sd?: number } {
  const half = halfWidth(latency);
  return { value: latency.median, ...(half !== undefined && { sd: half }) };
}

/** The larger distance from the median to an end of its interval. */
export function halfWidth({ median, ci95 }: Latency): number | undefined {
  return ci95 && Math.max(median - ci95[0], ci95[1] - median);
}

/** Bytes that the model itself needs: weights as the engine holds them and activations. */
export function modelMemory({ memoryBytes }: ResultRecord): number | undefined {
  const { weights, activationsPeak } = memoryBytes ?? {};
  return weights === undefined || activationsPeak === undefined ? undefined : weights + activationsPeak;
}

/** What ran this result: one line on the tool, one on the machine, one a browser and one an adapter. */
export function headerLines(result: Result): readonly string[] {
  const { tool, config, environment: env, createdAt } = result;
  const word = (key: string): string | undefined => {
    const value = config[key];
    return typeof value === "string" || typeof value === "number" ? `${key} ${value}` : undefined;
  };
  const version = `slimbench ${tool.version}${tool.commit === undefined ? "" : ` (${tool.commit.slice(0, 7)})`}`;
  const cpu = env.cpuModel === undefined ? undefined : `${env.cpuModel}${env.cpuCount === undefined ? "" : ` × ${env.cpuCount}`}`;
  const system = env.platform === undefined ? undefined : `${env.platform} ${env.arch ?? ""}`.trim();
  const node = env.node === undefined ? undefined : `Node ${env.node}`;
  const join = (parts: readonly (string | undefined)[]): string => parts.filter((part) => part !== undefined).join(" · ");
  return [
    join([version, word("suite"), word("preset"), word("processes"), createdAt]),
    join([cpu, system, node]),
    ...browserLines(result),
    ...adapterLines(result.records),
  ].filter((line) => line !== "");
}

function browserLines({ environment, records }: Result): readonly string[] {
  const targets = new Map<string, string[]>();
  for (const target of new Set(records.map((record) => record.target))) {
    const browser = environment.engines?.[target]?.facts?.["browser"];
    if (browser !== undefined) targets.set(String(browser), [...(targets.get(String(browser)) ?? []), target]);
  }
  return [...targets].map(([browser, names]) => `${names.join(", ")}: ${browser}`);
}

function adapterLines(records: readonly ResultRecord[]): readonly string[] {
  const lines = new Set<string>();
  for (const { target, device } of records) {
    if (device === undefined) continue;
    lines.add(
      `${target}: ${device.adapter}${device.software ? " (software GPU: runs on the processor, not comparable with hardware)" : ""}`,
    );
  }
  return [...lines];
}

/** Why rows are missing, numbered as `reasonNumbers` says. */
export function reasonLines(views: readonly ModelView[]): readonly string[] {
  return [...reasonNumbers(views)].map(([record, number]) => {
    const { code, message, remedy } = record.reason;
    return `[${number}] ${nameOf(record)}: ${record.status} (${code}): ${message}${remedy === "" ? "" : `. ${remedy}`}`;
  });
}

type NotOk = Exclude<ResultRecord, OkRecord>;

export function reasonNumbers(views: readonly ModelView[]): ReadonlyMap<NotOk, number> {
  const numbers = new Map<NotOk, number>();
  for (const { records } of views) {
    for (const { record } of records) if (record.status !== "ok") numbers.set(record, numbers.size + 1);
  }
  return numbers;
}

/** Warnings that a mark in the table already says. */
const MARKED = ["software-adapter", "accuracy-sampled"];

/** One line for each kind of warning: how many rows have it, the first one's evidence, what to do. */
export function warningLines(views: readonly ModelView[]): readonly string[] {
  const groups = new Map<string, { count: number; readonly line: (count: number) => string }>();
  for (const { records } of views) {
    for (const { record } of records) {
      for (const { key, evidence, next } of record.warnings ?? []) {
        if (MARKED.includes(key)) continue;
        const group = groups.get(key);
        if (group !== undefined) group.count++;
        else
          groups.set(key, {
            count: 1,
            line: (count) => `${key} (${plural(count, "row")}): ${nameOf(record)}: ${evidence}${count > 1 ? ", …" : ""}. ${next}`,
          });
      }
    }
  }
  return [...groups.values()].map(({ count, line }) => line(count));
}

/** How many samples stand behind a sampled accuracy, over all rows. */
export function sampledLine(views: readonly ModelView[]): string | undefined {
  const sampled = views.flatMap(({ records }) => records.filter((view) => view.sampled)).flatMap(({ record }) => record.accuracy ?? []);
  if (sampled.length === 0) return undefined;
  const range = (values: readonly number[]): string => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return low === high ? grouped(low) : `${grouped(low)} to ${grouped(high)}`;
  };
  return `accuracy on a sample of the test set: ${range(sampled.map((a) => a.n))} of ${range(sampled.map((a) => a.of ?? a.n))}`;
}

function nameOf({ model, recipe, target }: ResultRecord): string {
  return `${model} ${recipe} ${target}`;
}
