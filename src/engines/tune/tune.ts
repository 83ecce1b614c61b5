/**
 * Tunes a graph for an engine: every layer that several kernels can execute is compiled alone with each of them, each is verified against
 * the CPU engine, and the right ones race. Layers of the same key are measured once, and what was measured is kept by the host.
 */
import { outputTensor } from "../../graph/access.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import type { Graph, Node } from "../../graph/ir.ts";
import { SlimbenchError } from "../../errors.ts";
import { evaluateNode } from "../cpu/evaluate.ts";
import type { Session } from "../engine.ts";
import { compareOutputs, nodeTolerance } from "../tolerance.ts";
import { readEntry, reasonOf } from "./entry.ts";
import { fingerprint } from "./hash.ts";
import { hasConstantWeights, layerGraph, layerInputs, layerKey } from "./layer.ts";
import { RACE_SETTINGS, judge, race } from "./race.ts";
import type { RaceSettings, Racer } from "./race.ts";
import { TUNING_SCHEMA } from "./types.ts";
import type { KernelChoice, TuneEntry, TuneMode, TuneReport, TuningStore } from "./types.ts";

/** What tuning needs of an engine. */
export interface Tunable {
  readonly name: string;
  /** What its times depend on: features, options, the build of its kernels. */
  readonly facts: Readonly<Record<string, string>>;
  /** Kernels that can execute the one node of `layer`, best estimate first; fewer than two where there is no choice. */
  alternatives(layer: Graph): Promise<readonly string[]>;
  /** A session of the one-node graph with that kernel. */
  open(layer: Graph, kernel: string): Promise<Session>;
}

export interface TuneOptions {
  readonly mode: TuneMode;
  readonly store: TuningStore;
  readonly now: () => number;
  readonly progress?: (fraction: number) => Promise<void>;
  /** Kernels that ran in this process before; grows. */
  readonly warm?: Set<string>;
  readonly settings?: RaceSettings;
}

/** More are not worth the time that the least likely take. */
const MOST_CANDIDATES = 12;
/** Warm-up of a kernel that ran another layer before: it is compiled already. */
export const WARM_FLOOR_MS = 20;

/** Profiles after which a kernel counts as one that cannot be timed. */
const MOST_TRIES = 5;

/** A kernel whose profiles lack rows: the sum of the others would flatter it, so nothing is chosen among it and its rivals. */
class Untimed extends Error {
  constructor(node: string, kernel: string) {
    super(`node "${node}": the clock could not time all of ${kernel}, so its kernel is chosen by estimate`);
  }
}

export async function tuneGraph(graph: Graph, engine: Tunable, options: TuneOptions): Promise<TuneReport> {
  const { now, store, mode, progress } = options;
  const begin = now();
  const machine = { ...store.machine, engine: engine.name, ...engine.facts };
  const folder = `${engine.name}-${fingerprint(JSON.stringify(Object.entries(machine).sort()))}`;
  const warm = new Set<string>();
  const known = new Map<string, TuneEntry>();
  const untimed = new Set<string>();
  const choices: KernelChoice[] = [];
  const excluded: TuneReport["excluded"][number][] = [];
  const notes = new Set<string>();
  let cached = 0;
  let done = 0;
  for (const node of graph.nodes) {
    await progress?.(done++ / graph.nodes.length);
    if (!hasConstantWeights(graph, node)) continue;
    const layer = layerGraph(graph, node);
    const kernels = (await engine.alternatives(layer)).slice(0, MOST_CANDIDATES);
    if (kernels.length < 2) continue;
    const key = layerKey(graph, node, kernels);
    if (untimed.has(key)) continue;
    let entry = known.get(key);
    if (entry === undefined && mode === "cached") {
      entry = await recall(store, folder, key, kernels, notes);
      if (entry !== undefined) cached++;
    }
    if (entry === undefined) {
      try {
        entry = { ...(await measure(layer, engine, kernels, { warm, ...options })), key, machine };
      } catch (error) {
        if (!(error instanceof Untimed)) throw error;
        untimed.add(key);
        notes.add(`tuning: ${error.message}`);
        continue;
      }
      await keep(store, folder, key, entry, notes);
    }
    known.set(key, entry);
    choices.push({ node: node.name, kernel: entry.winner, why: reasonOf(entry) });
    for (const { kernel, why } of entry.excluded) excluded.push({ node: node.name, kernel, why });
  }
  return { choices, measured: known.size - cached, cached, excluded, notes: [...notes], ms: now() - begin };
}

async function recall(
  store: TuningStore,
  folder: string,
  key: string,
  kernels: readonly string[],
  notes: Set<string>,
): Promise<TuneEntry | undefined> {
  try {
    const value = await store.load(folder, key);
    if (value === undefined) return undefined;
    const entry = readEntry(value, key, kernels);
    if (entry === undefined) notes.add(`tuning: the entry ${key} does not fit this version, measured anew`);
    return entry;
  } catch (error) {
    if (!(error instanceof SlimbenchError)) throw error;
    notes.add(`tuning: ${error.message}; measured anew`);
    return undefined;
  }
}

/** A cache that cannot be written costs the next run its time, not this one its result. */
async function keep(store: TuningStore, folder: string, key: string, entry: TuneEntry, notes: Set<string>): Promise<void> {
  try {
    await store.store(folder, key, entry);
  } catch (error) {
    if (!(error instanceof SlimbenchError)) throw error;
    notes.add(`tuning: not kept, ${error.message}`);
  }
}

async function measure(
  layer: Graph,
  engine: Tunable,
  kernels: readonly string[],
  { now, warm, settings = RACE_SETTINGS }: TuneOptions & { readonly warm: Set<string> },
): Promise<Omit<TuneEntry, "key" | "machine">> {
  const [node] = layer.nodes as readonly [Node];
  const inputs = layerInputs(layer);
  const expected = reference(layer, node, inputs);
  const tolerance = nodeTolerance(
    layer,
    node,
    node.inputs.map((name) => valueOf(layer, name, inputs)),
    expected,
  );
  const excluded: TuneEntry["excluded"][number][] = [];
  const racers: Racer[] = [];
  const sessions: Session[] = [];
  try {
    for (const kernel of kernels) {
      const session = await engine.open(layer, kernel);
      sessions.push(session);
      const { pass, message } = compareOutputs([expected], await session.run(inputs), tolerance);
      if (pass) racers.push({ name: kernel, call: () => timeOf(session, inputs, node.name, kernel) });
      else excluded.push({ kernel, why: message });
    }
    const first = racers[0]?.name;
    // With no right kernel the layer keeps its default, and the check of the whole model's outputs says what is wrong.
    if (first === undefined) {
      return { schema: TUNING_SCHEMA, default: kernels[0]!, winner: kernels[0]!, gain: 1, rounds: 0, samplesMs: {}, excluded };
    }
    const floor = (name: string): number => (warm.has(name) ? WARM_FLOOR_MS : settings.warmup.floorMs);
    const samples = racers.length < 2 ? new Map([[first, []]]) : (await race(racers, settings, now, floor)).samples;
    for (const { name } of racers) if (racers.length > 1) warm.add(name);
    return { schema: TUNING_SCHEMA, default: first, ...judge(samples, first), samplesMs: Object.fromEntries(samples), excluded };
  } finally {
    for (const session of sessions) session.dispose();
  }
}

/** Milliseconds of a layer's kernels together. @throws Untimed */
async function timeOf(session: Session, inputs: readonly TypedArray[], node: string, kernel: string): Promise<number> {
  for (let i = 0; i < MOST_TRIES; i++) {
    const rows = await session.profile(inputs);
    if (rows.length >= (session.profileRows ?? 0)) return rows.reduce((sum, { ms }) => sum + ms, 0);
  }
  throw new Untimed(node, kernel);
}

/** What the CPU engine's dense kernel makes of it. */
function reference(layer: Graph, node: Node, inputs: readonly TypedArray[]): TypedArray {
  const tensors = new Map(layer.tensors);
  layer.inputs.forEach((name, i) => tensors.set(name, { ...layer.tensors.get(name)!, data: inputs[i]! }));
  const [output] = evaluateNode(node, tensors);
  if (output === undefined) throw new Error(`internal: node "${node.name}" gave no output for ${outputTensor(layer, node).name}`);
  return output;
}

function valueOf(layer: Graph, name: string, inputs: readonly TypedArray[]): TypedArray | undefined {
  const at = layer.inputs.indexOf(name);
  return at < 0 ? layer.tensors.get(name)?.data : inputs[at];
}
