/**
 * The far side of the protocol, the same in every host: holds one engine session and answers commands one after the other. What
 * differs between hosts (reading files, the GPU, memory counters) is injected.
 */
import { KERNEL_OPTION, checkForced } from "../engines/candidates.ts";
import { evaluateNode } from "../engines/cpu/evaluate.ts";
import type { EngineContext, GpuTime, NodeProfile, Session } from "../engines/engine.ts";
import { createOutputs } from "../engines/outputs.ts";
import { loadEngine } from "../engines/registry.ts";
import type { TuningStore } from "../engines/tune/types.ts";
import { invariant, UsageError } from "../errors.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Graph } from "../graph/ir.ts";
import { widenWeights } from "../graph/passes/fold-constants.ts";
import { deserializeGraph } from "../graph/serialize.ts";
import { classesOf, feederFor, largestIndex } from "../data/feed.ts";
import { clockStep, sampleLatency } from "./sampling.ts";
import { sampleGpu } from "./gpu-sampling.ts";
import { raceLayers } from "./layer-race.ts";
import type { AddedGraph } from "./layer-race.ts";
import { mean, median } from "../stats/describe.ts";
import type { CommandName, Commands, MemoryResult, Opened, PageWatch, Progress } from "./protocol.ts";

export interface AgentHost {
  /** `withGpu`: the engine needs a GPU object, which may take a moment to open. */
  readonly context: (withGpu: boolean) => Promise<EngineContext>;
  readonly readFile: (path: string) => Promise<Uint8Array>;
  readonly readDataset: (headerPath: string) => Promise<Dataset>;
  /** Where measurements of kernels are kept; nothing where none can be. */
  readonly tuningStore?: () => TuningStore | Promise<TuningStore> | undefined;
  /**
   * Tells the WebAssembly compiler to leave out its baseline, where the host can; before anything is compiled. For comparing kernels: which of
   * two is measured in which code would decide. Models are measured with the compiler as it is.
   */
  readonly skipBaseline?: () => void;
  /** Collects garbage where the host can, then reads its counters. */
  readonly memory: () => Promise<Omit<MemoryResult, "session">>;
  /** Begins to watch over what slows a timed loop down from outside, where the host can; the function it gives ends that. */
  readonly watch?: () => Promise<() => Promise<PageWatch>>;
  /** Switches that the host's runtime was started with. */
  readonly flags: readonly string[];
  readonly progress: (progress: Progress) => void;
  /** Lets queued messages and timers through. */
  readonly breathe: () => Promise<void>;
}

interface Compiled {
  readonly session: Session;
  readonly graph: Graph;
  readonly opened: Opened;
}

/** Between two signs of life. */
const PROGRESS_MS = 200;
const MEMORY_RUNS = 3;
/** Compilers replace code while it runs; profiles of the replaced code would mislead. */
const PROFILE_WARMUP_MS = 1000;
/** So many steps of the clock are 5 % precise. */
const COARSE_STEPS = 20;

export class Agent {
  readonly #host: AgentHost;
  #session: Session | undefined;
  readonly #added: AddedGraph[] = [];
  readonly #warm = new Set<string>();
  #graph: Graph | undefined;
  #lastProgress = 0;

  constructor(host: AgentHost) {
    this.#host = host;
  }

  async handle<K extends CommandName>(kind: K, args: Commands[K]["args"]): Promise<Commands[K]["result"]> {
    const handlers: { readonly [C in CommandName]: (args: Commands[C]["args"]) => Promise<Commands[C]["result"]> } = {
      probe: (a) => this.#probe(a),
      tune: (a) => this.#tune(a),
      open: (a) => this.#open(a),
      add: (a) => this.#add(a),
      race: (a) => this.#race(a),
      run: (a) => this.#run(a),
      time: (a) => this.#time(a),
      memory: (a) => this.#memory(a),
      profile: (a) => this.#profile(a),
      gpu: (a) => this.#gpu(a),
      classify: (a) => this.#classify(a),
    };
    if (!Object.hasOwn(handlers, kind)) throw new UsageError(`host: unknown command "${kind}"`);
    return handlers[kind](args);
  }

  dispose(): void {
    this.#session?.dispose();
    for (const { session } of this.#added.splice(0)) session.dispose();
    this.#session = undefined;
  }

  async #probe({ engine, options }: Commands["probe"]["args"]): Promise<Commands["probe"]["result"]> {
    const implementation = await loadEngine(engine);
    return implementation.probe(await this.#host.context(engine === "webgpu"), options);
  }

  async #tune({ engine, options, graphPath, mode }: Commands["tune"]["args"]): Promise<Commands["tune"]["result"]> {
    const implementation = await loadEngine(engine);
    const store = implementation.tune === undefined ? undefined : await this.#host.tuningStore?.();
    if (implementation.tune === undefined || store === undefined) return undefined;
    this.#host.skipBaseline?.();
    const context = await this.#host.context(engine === "webgpu");
    const progress = (fraction: number): Promise<void> => this.#report({ phase: "tuning", fraction });
    // As `open` does, so that the layers are the same.
    const graph = widenWeights(deserializeGraph(await this.#host.readFile(graphPath), graphPath), evaluateNode);
    return implementation.tune(graph, context, options, { mode, store, warm: this.#warm, progress });
  }

  async #open(word: Commands["open"]["args"]): Promise<Commands["open"]["result"]> {
    const { session, graph, opened } = await this.#compile(word);
    // After the next one is there, so that the two can share a device.
    this.#session?.dispose();
    this.#session = session;
    this.#graph = graph;
    return opened;
  }

  async #compile({ engine, options, graphPath, choices }: Commands["open"]["args"]): Promise<Compiled> {
    const begin = performance.now();
    const implementation = await loadEngine(engine);
    const context = await this.#host.context(engine === "webgpu");
    const graph = deserializeGraph(await this.#host.readFile(graphPath), graphPath);
    const loaded = performance.now();
    // No engine has kernels for 8-bit weights under float activations: widened once here, not on every run.
    const session = await implementation.compile(widenWeights(graph, evaluateNode), context, options, choices);
    checkForced(
      engine,
      options[KERNEL_OPTION],
      session.placement().map(({ kernel }) => kernel),
    );
    const opened = {
      loadMs: loaded - begin,
      compileMs: performance.now() - loaded,
      placement: session.placement(),
      flags: this.#host.flags,
    };
    return { session, graph, opened };
  }

  async #add({ inputs, ...word }: Commands["add"]["args"]): Promise<Commands["add"]["result"]> {
    this.#host.skipBaseline?.();
    const { session, opened } = await this.#compile(word);
    const begin = performance.now();
    const outputs = await session.run(inputs);
    const ms = performance.now() - begin;
    const index = this.#added.push({ session, inputs }) - 1;
    return { ...opened, index, outputs, ms, memory: session.memory() };
  }

  async #race({ engine, options, added, settings, bounds = true }: Commands["race"]["args"]): Promise<Commands["race"]["result"]> {
    const implementation = await loadEngine(engine);
    const graphs = added.map((index) => this.#added[index] ?? noGraph(index));
    const peaks = bounds ? ((await implementation.peaks?.(await this.#host.context(engine === "webgpu"), options)) ?? []) : [];
    const begin = performance.now();
    const mostMs = (graphs.length + peaks.length) * (settings.limitMs + settings.warmup.floorMs);
    try {
      return await raceLayers(graphs, peaks, settings, this.#warm, () =>
        this.#report({ phase: "timing", fraction: Math.min(1, (performance.now() - begin) / mostMs) }),
      );
    } finally {
      for (const { dispose } of peaks) dispose?.();
    }
  }

  async #run({ inputs }: Commands["run"]["args"]): Promise<Commands["run"]["result"]> {
    const { session } = this.#opened();
    const begin = performance.now();
    const outputs = await session.run(inputs);
    return { outputs, ms: performance.now() - begin };
  }

  async #time({ inputs, settings }: Commands["time"]["args"]): Promise<Commands["time"]["result"]> {
    const { session, graph } = this.#opened();
    const endWatch = await this.#host.watch?.();
    // The same arrays for every run: what a caller does with outputs is not the engine's time.
    const outputs = createOutputs(graph);
    const sampled = await sampleLatency((index) => session.run(inputs[index % inputs.length] ?? [], outputs), settings, {
      now: () => performance.now(),
      progress: (phase, fraction, ms) => this.#report({ phase, fraction, ...(ms === undefined ? {} : { ms }) }),
    });
    return endWatch === undefined ? sampled : { ...sampled, watch: await endWatch() };
  }

  async #memory({ inputs }: Commands["memory"]["args"]): Promise<Commands["memory"]["result"]> {
    const { session } = this.#opened();
    for (let i = 0; i < MEMORY_RUNS; i++) await session.run(inputs);
    const own = session.memory();
    return { session: own, ...(await this.#host.memory()) };
  }

  async #profile({ inputs, runs }: Commands["profile"]["args"]): Promise<Commands["profile"]["result"]> {
    const { session, graph } = this.#opened();
    const outputs = createOutputs(graph);
    const end = performance.now() + PROFILE_WARMUP_MS;
    do await session.profile(inputs);
    while (performance.now() < end);
    const plain: number[] = [];
    const instrumented: number[] = [];
    const samples = new OpSamples();
    for (let i = 0; i < runs; i++) {
      const begin = performance.now();
      await session.run(inputs, outputs);
      const between = performance.now();
      samples.add(await session.profile(inputs));
      instrumented.push(performance.now() - between);
      plain.push(between - begin);
      await this.#report({ phase: "timing", fraction: (i + 1) / runs });
    }
    return { ops: samples.summary(clockStep(() => performance.now())), plainMs: median(plain), instrumentedMs: median(instrumented) };
  }

  async #gpu({ inputs, settings }: Commands["gpu"]["args"]): Promise<Commands["gpu"]["result"]> {
    const { session } = this.#opened();
    const sample = async (): Promise<GpuTime | undefined> => session.gpuTime?.(inputs);
    return sampleGpu(sample, settings, (fraction) => this.#report({ phase: "timing", fraction }));
  }

  async #classify({ datasetPath, indices }: Commands["classify"]["args"]): Promise<Commands["classify"]["result"]> {
    const { session, graph } = this.#opened();
    const dataset = await this.#host.readDataset(datasetPath);
    const feeder = feederFor(graph, dataset);
    const classes = classesOf(graph, dataset, feeder.batch);
    const predictions = new Int32Array(indices.length);
    const begin = performance.now();
    for (let done = 0; done < indices.length; done += feeder.batch) {
      const outputs = await session.run(feeder.inputs(indices.subarray(done, done + feeder.batch)));
      const [scores] = outputs;
      invariant(scores !== undefined, "a session gave no output");
      const filled = Math.min(feeder.batch, indices.length - done);
      for (let i = 0; i < filled; i++) predictions[done + i] = largestIndex(scores, i * classes, classes);
      await this.#report({ phase: "accuracy", fraction: (done + filled) / indices.length });
    }
    return { predictions, ms: performance.now() - begin };
  }

  #opened(): { readonly session: Session; readonly graph: Graph } {
    if (this.#session === undefined || this.#graph === undefined) throw new UsageError("host: no model is open. Send `open` first");
    return { session: this.#session, graph: this.#graph };
  }

  async #report(progress: Progress): Promise<void> {
    const now = performance.now();
    if (now - this.#lastProgress < PROGRESS_MS) return;
    this.#lastProgress = now;
    this.#host.progress(progress);
    await this.#host.breathe();
  }
}

function noGraph(index: number): never {
  throw new UsageError(`host: no graph ${index} is open. Send \`add\` first`);
}

/** The same op's times over many profiles. An op may take several kernels, and a kernel may occur in it twice. */
class OpSamples {
  readonly #samples = new Map<string, { readonly op: NodeProfile; readonly ms: number[]; readonly starts: number[] }>();

  add(ops: readonly NodeProfile[]): void {
    const turns = new Map<string, number>();
    for (const op of ops) {
      const name = `${op.node} ${op.kernel}`;
      const turn = turns.get(name) ?? 0;
      turns.set(name, turn + 1);
      const key = `${name} ${turn}`;
      const sample = this.#samples.get(key) ?? { op, ms: [], starts: [] };
      this.#samples.set(key, sample);
      sample.ms.push(op.ms);
      if (op.startMs !== undefined) sample.starts.push(op.startMs);
    }
  }

  /** Medians; means of ops that take a few steps of the clock only, whose median would be a multiple of that step. */
  summary(clockStepMs: number): readonly NodeProfile[] {
    const middle = (ms: readonly number[]): number => {
      const value = median(ms);
      return value < COARSE_STEPS * clockStepMs ? mean(ms) : value;
    };
    return [...this.#samples.values()].map(({ op, ms, starts }) => ({
      ...op,
      ms: middle(ms),
      ...(starts.length === 0 ? {} : { startMs: median(starts) }),
    }));
  }
}
