/**
 * The contract between the harness and whatever executes a graph. The same engine code runs in Node and in a browser: everything
 * that differs (files, the GPU object, the clock) comes in through `EngineContext`. An engine never falls back silently: what it
 * cannot run throws `UnavailableError`/`UnsupportedError` from `compile`, and a node that runs elsewhere is listed in `placement`.
 */
import type { TypedArray } from "../graph/dtype.ts";
import type { Graph } from "../graph/ir.ts";
import type { KernelChoice, TuneMode, TuneReport, TuningStore } from "./tune/types.ts";

/** What the host provides. */
export interface EngineContext {
  /** Reads a file of this package by its path from the package root, e.g. `shaders/x.wgsl`, `build/wasm/kernels.wasm`. */
  readonly readAsset: (path: string) => Promise<Uint8Array>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The WebGPU entry point (`navigator.gpu`, or Dawn's in Node); absent where there is none. */
  readonly gpu?: GPU;
  /** A new canvas for WebGL that nobody sees (`OffscreenCanvas`); absent where there is no WebGL. */
  readonly createCanvas?: () => {
    readonly getContext: (kind: "webgl2", attributes: Readonly<Record<string, boolean | string>>) => unknown;
  };
  /** Absent where the host starts no threads. */
  readonly threads?: ThreadHost;
}

/** Starts threads that share memory with this one. */
export interface ThreadHost {
  /** Cores that this process may use. */
  readonly available: number;
  /**
   * Starts a thread that runs `serveThread` (wasm/threads/worker.ts).
   * @param data handed to it; a structured clone of it, shared memory shared
   * @param onEnd called at most once, when the thread ends although nobody terminated it
   * @returns once the thread is ready
   */
  start(data: unknown, onEnd: (reason: string) => void): Promise<Thread>;
}

export interface Thread {
  terminate(): void;
}

/** `key=value` options of a target (`wasm:threads=2,simd=off`), already split; an engine rejects keys it does not know. */
export type EngineOptions = Readonly<Record<string, string>>;

export interface ProbeResult {
  readonly available: boolean;
  /** Why not, and the command or change that mends it. Present when not available. */
  readonly reason?: { readonly code: string; readonly message: string; readonly remedy: string };
  /** Facts for `environment`: features, adapter, versions. */
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  /** A software GPU (SwiftShader, llvmpipe): always labelled, never compared with hardware. */
  readonly software?: boolean;
}

export interface SessionMemory {
  /** Bytes of weights as the engine holds them while it runs (packed, widened, sparse with indices). */
  readonly weights: number;
  /** Peak bytes of live activations, as planned. */
  readonly activationsPeak: number;
  /** High-water mark of GPU buffers; only engines that have them. */
  readonly gpuPeak?: number;
  /** Size of WASM linear memory; it never shrinks, so this is the peak. */
  readonly wasm?: number;
}

export interface NodeProfile {
  readonly node: string;
  readonly op: string;
  readonly kernel: string;
  readonly ms: number;
  /** Since the first op began, by the same clock; absent where ops were not timed in one go. */
  readonly startMs?: number;
  /** Further nodes that the kernel computes before it stores, in order: they have no row of their own. */
  readonly fused?: readonly string[];
  /** It only prepares or completes what another row of the node computes. */
  readonly helper?: true;
}

/** What the GPU's own clock says of one inference. What it could not measure is absent. */
export interface GpuTime {
  /** From the begin of the first kernel to the end of the last, encoded as `run` does it. */
  readonly spanMs?: number;
  /** Sum over kernels, each timed alone. */
  readonly kernelsMs?: number;
  /** Tick of the clock, as measured; whatever is timed spans a hundred of them, by repetition where need be. */
  readonly gridNs: number;
  /** Readings that were dropped and taken anew, since the clock ran backwards. */
  readonly dropped: number;
}

/** Where a node of the graph runs and with which kernel. */
export interface Placement {
  readonly node: string;
  readonly op: string;
  /** Kernel name from the catalogue, e.g. `f32_gemm_packed_4x8__wasm_simd`. */
  readonly kernel: string;
  /** `cpu` when a node of another engine's session runs on the CPU engine. */
  readonly engine: string;
  /** Why this kernel, where there was a choice. */
  readonly why?: string;
}

/** A compiled graph with its weights resident. Not reentrant: await one `run` before the next. */
export interface Session {
  /**
   * One inference. `inputs` in the order of `graph.inputs`, each with the tensor's dtype and element count; returns arrays in the
   * order of `graph.outputs`, owned by the caller. On a GPU it resolves when the outputs are mapped and copied.
   * @param outputs arrays to write into and return, as `createOutputs` makes them; absent: fresh ones
   * @throws ShapeError for outputs of another number, type or length
   */
  run(inputs: readonly TypedArray[], outputs?: readonly TypedArray[]): Promise<readonly TypedArray[]>;
  memory(): SessionMemory;
  placement(): readonly Placement[];
  /** One separately instrumented inference; its times are not those of `run`. What could not be timed is left out. */
  profile(inputs: readonly TypedArray[]): Promise<readonly NodeProfile[]>;
  /** Rows of a profile that leaves nothing out; absent: none ever does. */
  readonly profileRows?: number;
  /** One sample of the GPU's own time, apart from `run`; undefined where the device has no clock. Only engines on a GPU have this. */
  gpuTime?(inputs: readonly TypedArray[]): Promise<GpuTime | undefined>;
  /** Frees everything; the session must not be used afterwards. */
  dispose(): void;
}

/** A loop that keeps to registers, or a copy: what the engine could do at most. Of one type there may be several; the fastest bounds. */
export interface Peak {
  /** Type of the layers that its arithmetic bounds; `copy`: bounds whatever reads and writes memory. */
  readonly type: "float32" | "int8" | "copy";
  /** The operation, in words. */
  readonly name: string;
  /** Multiplications and additions of one execution; of a copy, bytes read and written. */
  readonly operations: number;
  /** Executes once, in about a tenth of a millisecond to some milliseconds. @returns how many they were, by the engine's best clock */
  readonly ms: () => number | Promise<number>;
  /** Frees what it holds. */
  readonly dispose?: () => void;
}

/** How an engine shall tune a graph. */
export interface TuneRequest {
  readonly mode: TuneMode;
  readonly store: TuningStore;
  /** Kernels that ran in this process before and need little warming up; grows. */
  readonly warm?: Set<string>;
  /** Sign of life between layers; 0..1. */
  readonly progress?: (fraction: number) => Promise<void>;
}

export interface Engine {
  readonly name: string;
  probe(context: EngineContext, options: EngineOptions): Promise<ProbeResult>;
  /** Loops and copies that bound what kernels can reach; dispose of each. Absent: unknown. */
  peaks?(context: EngineContext, options: EngineOptions): Promise<readonly Peak[]>;
  /**
   * Measures which kernels are fastest here; apart from `compile`, so that it can happen in another process than what is measured later.
   * Absent: the engine has no choice of kernels, or does not measure.
   */
  tune?(graph: Graph, context: EngineContext, options: EngineOptions, request: TuneRequest): Promise<TuneReport>;
  /**
   * @param choices kernels that nodes shall run with; the engine chooses for the others
   * @throws UnavailableError, UnsupportedError (names node and op), DeviceLimitError, UsageError for a choice that cannot be
   */
  compile(graph: Graph, context: EngineContext, options: EngineOptions, choices?: readonly KernelChoice[]): Promise<Session>;
}
