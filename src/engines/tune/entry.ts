/** Reads a remembered measurement back. Files of a cache may be old, cut short or edited: whatever does not fit is measured again. */
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
  const samples = `${rounds} ${rounds === 1 ? "sample" : "samples"}`;
  if (winner !== first) return `tuned: ${gain.toFixed(2)}× faster than ${first} (${samples})`;
  if (Object.keys(samplesMs).length < 2) return "tuned: no other kernel gave right results";
  return `tuned: no other kernel is faster by more than the noise (${samples})`;
}
