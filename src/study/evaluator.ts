/**
 * What a change does to a model's outputs, on the WASM engine in this process: integers are the same on every engine, floats within their
 * tolerance. What comes before the first change is computed once for all changes behind the same tensors.
 */
import type { Session } from "../engines/engine.ts";
import { evaluateNode } from "../engines/cpu/evaluate.ts";
import { invariant } from "../errors.ts";
import { tensorOf } from "../graph/access.ts";
import { bytesPerElement, elementCount } from "../graph/dtype.ts";
import type { Graph } from "../graph/ir.ts";
import { widenWeights } from "../graph/passes/fold-constants.ts";
import { describeAccuracy } from "../harness/accuracy.ts";
import { largestIndex } from "../data/feed.ts";
import { engineContextHere } from "../harness/here.ts";
import { noiseDb, noiseOf } from "../harness/parity.ts";
import type { Noise, Outputs } from "../harness/parity.ts";
import type { Quality } from "../results/sensitivity.ts";
import { coneOf, unchangedTensors } from "./cut.ts";
import type { Samples } from "./samples.ts";

/** What is kept of the part before a change; beyond, every change runs the whole model. */
const KEPT_BYTES = 512 * 1024 * 1024;
/** Between chances for signals and timers. */
const BREATH_MS = 50;

export interface EvaluatorOptions {
  readonly signal?: AbortSignal;
  /** 0..1 of the evaluation under way. */
  readonly onProgress?: (fraction: number) => void;
  /** Default: KEPT_BYTES. */
  readonly keptBytes?: number;
}

/** Values of some of the original's tensors, inference after inference. */
interface Kept {
  readonly names: readonly string[];
  readonly values: readonly Outputs[];
}

export class Evaluator {
  readonly #graph: Graph;
  readonly #samples: Samples;
  readonly #options: EvaluatorOptions;
  #reference: readonly Outputs[] = [];
  #predictions: Int32Array = new Int32Array(0);
  #kept: Kept;
  #lastBreath = performance.now();
  /** Nodes executed, over all inferences: what keeping the part before a change saves shows here. */
  nodesRun = 0;

  private constructor(graph: Graph, samples: Samples, options: EvaluatorOptions) {
    this.#graph = graph;
    this.#samples = samples;
    this.#options = options;
    this.#kept = { names: [], values: [] };
  }

  /** @throws what the engine throws of the original */
  static async open(graph: Graph, samples: Samples, options: EvaluatorOptions = {}): Promise<Evaluator> {
    const evaluator = new Evaluator(widenWeights(graph, evaluateNode), samples, options);
    evaluator.#reference = await evaluator.#runAll(evaluator.#graph, samples.inputs);
    evaluator.#predictions = evaluator.#classify(evaluator.#reference);
    return evaluator;
  }

  /** Of the original itself. */
  get original(): Quality {
    const { n, labelled } = this.#samples;
    if (labelled === undefined) return { n };
    const { value } = describeAccuracy({ ...labelled, predictions: this.#predictions });
    return { n, value };
  }

  /** @param graph takes the original's inputs, and gives as many outputs */
  async evaluate(graph: Graph): Promise<Quality> {
    // As engines are given it; and weights must not turn into values that are kept.
    const changed = widenWeights(graph, evaluateNode);
    const outputs = await this.#outputsOf(changed);
    const { n, labelled } = this.#samples;
    const noise = outputs.map((list, i): Noise | undefined => noiseOf(this.#graph, this.#reference[i] ?? [], changed, list));
    const identical = noise.every((one) => one?.noise === 0);
    const sqnrDb = noiseDb(noise);
    const measured = { ...(sqnrDb === undefined ? {} : { sqnrDb }), ...(identical ? { identical } : {}) };
    const predictions = this.#classify(outputs);
    if (labelled === undefined) {
      const agreement = shareOfEquals(predictions, this.#predictions);
      return { n, ...(agreement === undefined ? {} : { agreement }), ...measured };
    }
    const { value, reference, delta, deltaCi95, deltaP, agreement } = describeAccuracy({
      ...labelled,
      predictions,
      reference: this.#predictions,
    });
    return {
      n,
      value,
      ...(reference === undefined ? {} : { reference }),
      ...(delta === undefined ? {} : { delta }),
      ...(deltaCi95 === undefined ? {} : { deltaCi95 }),
      ...(deltaP === undefined ? {} : { deltaP }),
      ...(agreement === undefined ? {} : { agreement }),
      ...measured,
    };
  }

  /** Of every inference; computed from the first change on. */
  async #outputsOf(changed: Graph): Promise<readonly Outputs[]> {
    const same = unchangedTensors(this.#graph, changed);
    const differing = changed.outputs.filter((name) => !same.has(name));
    if (differing.length === 0) return this.#reference;
    const rest = coneOf(changed, differing, same);
    const kept = await this.#valuesOf(rest.inputs);
    if (kept === undefined) return this.#runAll(changed, this.#samples.inputs);
    const computed = await this.#runAll(rest, kept);
    if (differing.length === changed.outputs.length) return computed;
    return computed.map((list, i) =>
      changed.outputs.map((name, o) => {
        const at = differing.indexOf(name);
        return (at < 0 ? this.#reference[i]?.[o] : list[at]) ?? new Float32Array(0);
      }),
    );
  }

  /** Values of the original's tensors by inference; undefined where they would take too much memory. */
  async #valuesOf(names: readonly string[]): Promise<((inference: number) => Outputs) | undefined> {
    const graphInputs = this.#graph.inputs;
    const inner = names.filter((name) => !graphInputs.includes(name));
    const bytes = inner.reduce((sum, name) => sum + bytesOf(this.#graph, name), 0) * this.#samples.inferences;
    if (bytes > (this.#options.keptBytes ?? KEPT_BYTES)) return undefined;
    if (inner.join("\n") !== this.#kept.names.join("\n")) this.#kept = { names: inner, values: await this.#compute(inner) };
    const { values } = this.#kept;
    const places = names.map((name) => ({ outer: graphInputs.indexOf(name), inner: inner.indexOf(name) }));
    return (i) => {
      const outer = places.some((place) => place.outer >= 0) ? this.#samples.inputs(i) : [];
      return places.map((place) => (place.outer >= 0 ? outer[place.outer] : values[i]?.[place.inner]) ?? new Float32Array(0));
    };
  }

  /** From what is kept of the layer before, where that lies on the way. */
  async #compute(names: readonly string[]): Promise<readonly Outputs[]> {
    if (names.length === 0) return [];
    const { names: keptNames, values } = this.#kept;
    const missing = names.filter((name) => !keptNames.includes(name));
    if (missing.length === 0) return values.map((list) => names.map((name) => list[keptNames.indexOf(name)] ?? new Float32Array(0)));
    const way = coneOf(this.#graph, missing, new Set(keptNames));
    const computed = await this.#runAll(way, (i) => {
      const outer = way.inputs.some((name) => this.#graph.inputs.includes(name)) ? this.#samples.inputs(i) : [];
      return way.inputs.map(
        (name) =>
          (keptNames.includes(name) ? values[i]?.[keptNames.indexOf(name)] : outer[this.#graph.inputs.indexOf(name)]) ??
          new Float32Array(0),
      );
    });
    return computed.map((list, i) =>
      names.map(
        (name) => (missing.includes(name) ? list[missing.indexOf(name)] : values[i]?.[keptNames.indexOf(name)]) ?? new Float32Array(0),
      ),
    );
  }

  async #runAll(graph: Graph, inputs: (inference: number) => Outputs): Promise<readonly Outputs[]> {
    const { inferences } = this.#samples;
    const session = await openSession(graph);
    try {
      const all: Outputs[] = [];
      for (let i = 0; i < inferences; i++) {
        all.push(await session.run(inputs(i)));
        await this.#breathe((i + 1) / inferences);
      }
      this.nodesRun += graph.nodes.length * inferences;
      return all;
    } finally {
      session.dispose();
    }
  }

  /** Per sample its class; of noise, per row of the first output the place of its largest value. */
  #classify(outputs: readonly Outputs[]): Int32Array {
    const { n, batch, labelled } = this.#samples;
    const shape = tensorOf(this.#graph, this.#graph.outputs[0] ?? "").shape;
    const row = labelled?.classes ?? shape.at(-1) ?? 1;
    const classes: number[] = [];
    outputs.forEach(([scores], i) => {
      invariant(scores !== undefined, "a session gave no output");
      const rows = labelled === undefined ? scores.length / Math.max(1, row) : Math.min(batch, n - i * batch);
      for (let r = 0; r < rows; r++) classes.push(largestIndex(scores, r * row, row));
    });
    // A single number a row is no choice among several.
    return Int32Array.from(labelled === undefined && row < 2 ? [] : classes);
  }

  async #breathe(fraction: number): Promise<void> {
    const now = performance.now();
    if (now - this.#lastBreath < BREATH_MS) return;
    this.#lastBreath = now;
    this.#options.onProgress?.(fraction);
    await new Promise((resolve) => setImmediate(resolve));
    this.#options.signal?.throwIfAborted();
  }
}

async function openSession(graph: Graph): Promise<Session> {
  const { wasmEngine } = await import("../engines/wasm/index.ts");
  return wasmEngine.compile(graph, engineContextHere(), {});
}

function bytesOf(graph: Graph, name: string): number {
  const { dtype, shape } = tensorOf(graph, name);
  return elementCount(shape) * bytesPerElement(dtype);
}

function shareOfEquals(a: Int32Array, b: Int32Array): number | undefined {
  if (a.length === 0 || a.length !== b.length) return undefined;
  return a.reduce((sum, value, i) => sum + Number(value === b[i]), 0) / a.length;
}
