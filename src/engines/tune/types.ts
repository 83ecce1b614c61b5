/**
 * Words of tuning: which kernel a layer runs with is measured on the machine, before anything is compiled for good, and remembered. The
 * host keeps the memory (a file in Node); engines only ask for it by name.
 */

/** `cached`: what was measured here before holds, the rest is measured now and kept. `force`: everything is measured anew. */
export type TuneMode = "cached" | "force";

/** The kernel that a node shall run with, and the reason for the record. */
export interface KernelChoice {
  readonly node: string;
  readonly kernel: string;
  readonly why: string;
}

/** What the host knows about the machine, and where it keeps measurements. */
export interface TuningStore {
  /** Facts that timings depend on and engines cannot see: processor, JavaScript engine. */
  readonly machine: Readonly<Record<string, string>>;
  /**
   * What `store` was last given under these names; undefined where there is nothing.
   * @param machine folder of one machine and build: letters, digits, dash
   * @param key name of one layer: letters, digits, dash
   * @throws FormatError for an entry that cannot be read or parsed
   */
  load(machine: string, key: string): Promise<unknown>;
  /** @throws UnavailableError where nothing can be written */
  store(machine: string, key: string, entry: TuneEntry): Promise<void>;
}

export const TUNING_SCHEMA = "slimbench/tuning@1";

/** One layer's measurement, all samples included. */
export interface TuneEntry {
  readonly schema: typeof TUNING_SCHEMA;
  readonly key: string;
  /** Facts of the machine, the engine and its options. */
  readonly machine: Readonly<Record<string, string>>;
  /** The kernel that the estimates prefer. */
  readonly default: string;
  readonly winner: string;
  /** Median over rounds of the default's time by the winner's; 1 where the default won. */
  readonly gain: number;
  readonly rounds: number;
  /** Kernel → milliseconds of one execution, in order of the rounds; the shorter ones were out early. */
  readonly samplesMs: Readonly<Record<string, readonly number[]>>;
  /** Kernels whose output was wrong: never timed, never chosen. */
  readonly excluded: readonly { readonly kernel: string; readonly why: string }[];
}

export interface TuneReport {
  readonly choices: readonly KernelChoice[];
  /** Layers measured now, and layers taken from the store; equal layers count once. */
  readonly measured: number;
  readonly cached: number;
  readonly excluded: readonly { readonly node: string; readonly kernel: string; readonly why: string }[];
  /** For the user, one line each: damaged entries, nowhere to write. */
  readonly notes: readonly string[];
  readonly ms: number;
}
