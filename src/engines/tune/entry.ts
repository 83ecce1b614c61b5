/** Reads a remembered measurement back. Files of a cache may be old, cut short or edited: whatever does not fit is measured again. */
import { median } from "../../stats/describe.ts";
import { LEAST_GAIN } from "./race.ts";
import { TUNING_SCHEMA } from "./types.ts";
import type { TuneEntry } from "./types.ts";

/**
 * @param kernels those that can execute the layer now
 * @returns undefined when the entry is no measurement of exactly these kernels
 */
export function readEntry(value: unknown, key: string, kernels: readonly string[]): TuneEntry | undefined {
  if (!isEntry(value) || value.key !== key) return undefined;
  const known = new Set([...Object.keys(value.samplesMs), ...value.excluded.map(({ kernel }) => kernel)]);
  if (known.size !== kernels.length || !kernels.every((kernel) => known.has(kernel))) return undefined;
  return kernels.includes(value.winner) && kernels.includes(value.default) ? value : undefined;
}

function isEntry(value: unknown): value is TuneEntry {
  if (!isObject(value) || value["schema"] !== TUNING_SCHEMA) return false;
  const { key, default: first, winner, gain, rounds, samplesMs, excluded, machine } = value;
  return (
    [key, first, winner].every((text) => typeof text === "string") &&
    [gain, rounds].every((number) => typeof number === "number" && Number.isFinite(number)) &&
    isObject(machine) &&
    isObject(samplesMs) &&
    Object.values(samplesMs).every((times) => Array.isArray(times) && times.every((ms) => typeof ms === "number")) &&
    Array.isArray(excluded) &&
    excluded.every((item) => isObject(item) && typeof item["kernel"] === "string" && typeof item["why"] === "string")
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** For a record's `why`. */
export function reasonOf({ winner, default: first, gain, rounds, samplesMs }: TuneEntry): string {
  if (winner !== first) return `tuned: ${gain.toFixed(2)}× faster than ${first} (${samplesText(rounds)})`;
  const own = samplesMs[first] ?? [];
  const others = Object.entries(samplesMs).filter(([kernel, times]) => kernel !== first && times.length > 0);
  if (own.length === 0 || others.length === 0) return "tuned: no other kernel gave right results";
  const [next, times] = others.reduce((a, b) => (median(b[1]) < median(a[1]) ? b : a));
  const lead = median(times) / median(own);
  if (lead > 1 + LEAST_GAIN) return `tuned: ${lead.toFixed(2)}× faster than ${next} (${samplesText(times.length)})`;
  return `tuned: no other kernel is faster by more than the noise (${samplesText(rounds)})`;
}

function samplesText(count: number): string {
  return `${count} ${count === 1 ? "sample" : "samples"}`;
}
