/**
 * What crosses the border to a host (a child process, a page): commands in, replies and progress out, nothing else. Timing
 * loops run on the far side. Everything here survives structured cloning; errors cross as plain objects and are rebuilt.
 */
import type { NodeProfile, Peak, Placement, ProbeResult, SessionMemory } from "../engines/engine.ts";
import type { RaceSettings } from "../engines/tune/race.ts";
import type { KernelChoice, TuneMode, TuneReport } from "../engines/tune/types.ts";
import { SlimbenchError, UnavailableError, UnsupportedError } from "../errors.ts";
import type { TypedArray } from "../graph/dtype.ts";
import type { SamplingResult, SamplingSettings } from "./sampling.ts";

/** Command name → what it takes and what it gives. `open` comes first, and ends what was open before; `probe` needs no `open`. */
export interface Commands {
  probe: { readonly args: EngineWord; readonly result: ProbeResult };
  /** Measures which kernels a serialized graph should run with, for an `open` elsewhere; undefined: the engine does not tune. */
  tune: { readonly args: EngineWord & { readonly graphPath: string; readonly mode: TuneMode }; readonly result: TuneReport | undefined };
  /** Reads a serialized graph and compiles it. */
  open: {
    readonly args: EngineWord & { readonly graphPath: string; readonly choices?: readonly KernelChoice[] };
    readonly result: Opened;
  };
  /** Compiles one more graph beside those that were added before, and runs it once. */
  add: {
    readonly args: EngineWord & {
      readonly graphPath: string;
      readonly choices?: readonly KernelChoice[];
      readonly inputs: readonly TypedArray[];
    };
    readonly result: Added;
  };
  /** Times the products (convolutions, dense layers) of added graphs in turn, and loops that bound them. */
  race: {
    /** `bounds: false` leaves the bounding loops out. */
    readonly args: EngineWord & { readonly added: readonly number[]; readonly settings: RaceSettings; readonly bounds?: boolean };
    readonly result: Raced;
  };
  run: { readonly args: { readonly inputs: readonly TypedArray[] }; readonly result: RunResult };
  /** Warms up and samples, rotating over the given inferences' inputs. */
  time: {
    readonly args: { readonly inputs: readonly (readonly TypedArray[])[]; readonly settings: SamplingSettings };
    readonly result: SamplingResult & { readonly watch?: PageWatch };
  };
  /** Runs a few inferences, then reads the counters; never inside a timed loop. */
  memory: { readonly args: { readonly inputs: readonly TypedArray[] }; readonly result: MemoryResult };
  /** Inferences with and without a clock around every op, in turn. */
  profile: { readonly args: { readonly inputs: readonly TypedArray[]; readonly runs: number }; readonly result: ProfileResult };
  /** The GPU's own time of an inference, apart from what `time` measures; undefined where there is no GPU, or it has no clock. */
  gpu: {
    readonly args: { readonly inputs: readonly TypedArray[]; readonly settings: GpuSettings };
    readonly result: GpuTiming | undefined;
  };
  /** Index of the largest output of each sample named in `indices`. */
  classify: { readonly args: { readonly datasetPath: string; readonly indices: Int32Array }; readonly result: ClassifyResult };
}

export type CommandName = keyof Commands;

export interface EngineWord {
  readonly engine: string;
  readonly options: Readonly<Record<string, string>>;
}

export interface Opened {
  /** Reading the graph file and loading the engine's code. */
  readonly loadMs: number;
  readonly compileMs: number;
  readonly placement: readonly Placement[];
  readonly flags: readonly string[];
}

export interface Added extends Opened, RunResult {
  /** Number of the graph, for `race`. */
  readonly index: number;
  readonly memory: SessionMemory;
}

export interface Raced {
  /** As many as asked for, in that order. */
  readonly times: readonly RaceTimes[];
  readonly peaks: readonly (RaceTimes & Pick<Peak, "type" | "name" | "operations">)[];
  readonly clockStepMs: number;
}

export interface RaceTimes {
  /** Milliseconds, one a round. */
  readonly samples: readonly number[];
  /** Executions that a sample is the mean of. */
  readonly calls: number;
}

export interface RunResult {
  readonly outputs: readonly TypedArray[];
  readonly ms: number;
}

/** How the page fared while it was timed: browsers slow down pages that nobody sees. */
export interface PageWatch {
  readonly ms: number;
  /** Time during which the page was hidden. */
  readonly hiddenMs: number;
  /** Mean time between ticks of a timer of the page that was to tick every `tickMs`. */
  readonly tickedMs: number;
  readonly tickMs: number;
  /** Median wait of a timer of the measuring worker that was to ring at once; absent where none was set. */
  readonly workerWaitMs?: number;
}

export interface MemoryResult {
  readonly session: SessionMemory;
  /** Used heap after a collection where the host can collect; in a page that runs by hand with array buffers. */
  readonly jsHeapBytes?: number;
  /** Peak resident set of the whole process. */
  readonly rssPeakBytes?: number;
}

export interface ProfileResult {
  /** In the order of execution, each with its median, or its mean where the clock is too coarse for a median. */
  readonly ops: readonly NodeProfile[];
  readonly plainMs: number;
  readonly instrumentedMs: number;
}

export interface GpuSettings {
  readonly samples: number;
  /** No further sample after this long; there is one at least. */
  readonly limitMs: number;
}

/** Medians over samples. A number that could not be measured is absent. */
export interface GpuTiming {
  readonly spanMs?: number;
  readonly kernelsMs?: number;
  readonly samples: number;
  /** Tick of the GPU's clock, as measured. */
  readonly gridNs: number;
  /** Readings that were dropped, since the clock ran backwards. */
  readonly dropped: number;
}

export interface ClassifyResult {
  /** As many as `indices`, in that order. */
  readonly predictions: Int32Array;
  readonly ms: number;
}

/** In place of a request: free everything and leave. */
export const CLOSE = "close";

export interface Request<K extends CommandName = CommandName> {
  readonly id: number;
  readonly kind: K;
  readonly args: Commands[K]["args"];
}

export type Reply =
  | { readonly id: number; readonly type: "result"; readonly result: Commands[CommandName]["result"] }
  | { readonly id: number; readonly type: "error"; readonly error: WireError }
  /** Sign of life and share done, at most a few times a second. */
  | { readonly id: number; readonly type: "progress"; readonly progress: Progress };

export interface Progress {
  readonly phase: "tuning" | "warming up" | "timing" | "accuracy";
  /** 0..1 */
  readonly fraction: number;
  /** Current estimate of the latency, once there is one. */
  readonly ms?: number;
}

export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly exitCode: 1 | 2 | 3 | 4;
  /** The engine cannot run this here at all, as opposed to having failed while it ran. */
  readonly unavailable: boolean;
  readonly stack?: string;
}

/** An error that happened in a host, or to it. */
export class HostError extends SlimbenchError {
  /** True: `unavailable` record; false: `failed`. */
  readonly unavailable: boolean;

  constructor(wire: WireError) {
    super(wire.code, wire.message, { remedy: wire.remedy, exitCode: wire.exitCode });
    this.unavailable = wire.unavailable;
    if (wire.stack !== undefined) this.stack = wire.stack;
  }
}

/** Node says RangeError when a typed array or a WASM memory cannot be had; the record should say what it means. */
const ALLOCATION_FAILED =
  /array buffer allocation failed|invalid array buffer length|invalid typed array length: \d{9}|allocation size overflow|could not allocate memory|out of memory/i;

export function toWireError(error: unknown): WireError {
  const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
  if (error instanceof SlimbenchError) {
    const unavailable =
      error instanceof UnavailableError || error instanceof UnsupportedError || (error instanceof HostError && error.unavailable);
    return { code: error.code, message: error.message, remedy: error.remedy, exitCode: error.exitCode, unavailable, ...stack };
  }
  const message = error instanceof Error ? error.message : String(error);
  const failed = { message, exitCode: 4, unavailable: false, ...stack } as const;
  if (ALLOCATION_FAILED.test(message)) return { code: "out-of-memory", remedy: "Use a smaller model or close other programs", ...failed };
  if (/^ENOSPC\b/.test(message)) return { code: "disk-full", remedy: "Free space, or set TMPDIR to a folder with more", ...failed };
  return { code: "internal", remedy: "Run again with --verbose and report it", ...failed };
}
