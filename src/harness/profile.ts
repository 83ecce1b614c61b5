/**
 * Where an inference's time goes, op by op. A separately instrumented run: reading the clock around every op costs time itself, so the
 * plain latency is measured beside it and the difference is stated.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Recipe } from "../compress/recipe.ts";
import { UnavailableError } from "../errors.ts";
import { inputTensor, outputTensor, tensorOf } from "../graph/access.ts";
import { macsOf } from "../graph/cost.ts";
import { bytesPerElement, elementCount } from "../graph/dtype.ts";
import type { Graph, Node, NodeWith } from "../graph/ir.ts";
import { isTree, treeShape, treesOf } from "../graph/tree.ts";
import { openHost } from "../hosts/open.ts";
import type { RaceSettings } from "../engines/tune/race.ts";
import type { GpuTiming } from "../hosts/protocol.ts";
import { boundOf, ceilingsOf } from "./ceilings.ts";
import type { Bound, Ceiling } from "./ceilings.ts";
import { GPU_SETTINGS } from "./gpu-time.ts";
import type { PlannedModel } from "./plan.ts";
import { prepareModel, preparePair } from "./prepare.ts";
import { probeTarget } from "./probe.ts";
import type { ProbeOptions, TargetProbe } from "./probe.ts";
import type { Target } from "./target.ts";

export interface ProfileRequest extends ProbeOptions {
  readonly model: PlannedModel;
  readonly recipe: Recipe;
  readonly target: Target;
  /** Instrumented inferences. */
  readonly runs: number;
  readonly seed: number;
  readonly silenceMs: number;
  readonly onStderr?: (text: string) => void;
}

export interface ProfiledOp {
  readonly node: string;
  readonly op: string;
  readonly kernel: string;
  readonly output: readonly number[];
  readonly ms: number;
  /** Since the first op began, by the GPU's clock; absent elsewhere, and where ops were timed apart. */
  readonly startMs?: number;
  /** What it computes with. */
  readonly type: "float32" | "int8";
  /** Multiply-accumulates; 0 for ops that are no product. */
  readonly macs: number;
  /** Inputs, weights and output as the graph holds them, each once; of decision trees what the longest way down reads, not all nodes. */
  readonly bytes: number;
  /** Which measured ceiling it is under, and how near; absent where none is known. */
  readonly bound?: Bound;
}

/** The engine's clocks on the GPU; what could not be measured is absent. */
export interface GpuProfile extends Partial<GpuTiming> {
  /** A submission and its read-back without any dispatch, and each further dispatch. */
  readonly submitReadMs?: number;
  readonly dispatchMs?: number;
}

export interface Profile {
  readonly model: string;
  readonly recipe: string;
  readonly target: string;
  /** In the order of execution. */
  readonly ops: readonly ProfiledOp[];
  readonly runs: number;
  /** Median of the inferences without instruments, in turn with the others. */
  readonly plainMs: number;
  /** Median of the instrumented inferences as a whole. */
  readonly instrumentedMs: number;
  /** What this engine reached at most, in the same process. */
  readonly ceilings: readonly Ceiling[];
  /** GPU targets. */
  readonly gpu?: GpuProfile;
  readonly adapter?: string;
  readonly software: boolean;
}

/** Loops are raced against nobody: long enough that the processor's and the driver's clocks are up. */
const CEILING_SETTINGS: RaceSettings = {
  warmup: { floorMs: 100, windowMs: 40, maxMs: 600 },
  blockMs: 0.5,
  rounds: 15,
  limitMs: 150,
};

/** @throws SlimbenchError: the model or the target cannot be used */
export async function profileModel(request: ProfileRequest): Promise<Profile> {
  const { target, recipe, runs, seed, silenceMs, onStderr } = request;
  const probe = await probeTarget(target, request);
  if (!probe.available) {
    const { code, message, remedy } = probe.reason ?? {
      code: "unavailable",
      message: `target ${target.text}: cannot run here`,
      remedy: "",
    };
    throw new UnavailableError(code, message, remedy);
  }
  const folder = await mkdtemp(join(tmpdir(), "slimbench-"));
  try {
    const model = await prepareModel(request.model, folder);
    const pair = await preparePair(model, recipe, { folder, seed, paritySamples: 1 });
    const host = await openHost(probe.place, { silenceMs, ...(onStderr === undefined ? {} : { onStderr }) });
    try {
      await host.request("open", { engine: target.engine, options: target.options, graphPath: pair.graphPath, choices: [] });
      const { ops, plainMs, instrumentedMs } = await host.request("profile", { inputs: pair.inputs[0] ?? [], runs });
      const timing = await host.request("gpu", { inputs: pair.inputs[0] ?? [], settings: GPU_SETTINGS });
      const { engine, options } = target;
      const ceilings = ceilingsOf((await host.request("race", { engine, options, added: [], settings: CEILING_SETTINGS })).peaks);
      const nodes = new Map(pair.graph.nodes.map((node) => [node.name, node]));
      return {
        model: request.model.name,
        recipe: recipe.text,
        target: target.text,
        ops: ops.map((op) => {
          const cost = costOf(pair.graph, nodes.get(op.node));
          const bound = boundOf(cost, op.ms, ceilings);
          return { ...op, ...cost, ...(bound === undefined ? {} : { bound }) };
        }),
        runs,
        plainMs,
        instrumentedMs,
        ceilings,
        ...(probe.adapter === undefined ? {} : { adapter: probe.adapter, gpu: { ...timing, ...overheadOf(probe.facts) } }),
        software: probe.software === true,
      };
    } finally {
      await host.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function overheadOf({ submitReadMs, dispatchMs }: TargetProbe["facts"]): Pick<GpuProfile, "submitReadMs" | "dispatchMs"> {
  return {
    ...(typeof submitReadMs === "number" ? { submitReadMs } : {}),
    ...(typeof dispatchMs === "number" ? { dispatchMs } : {}),
  };
}

function costOf(graph: Graph, node: Node | undefined): Pick<ProfiledOp, "macs" | "bytes" | "output" | "type"> {
  if (node === undefined) return { type: "float32", macs: 0, bytes: 0, output: [] };
  const sizeOf = (name: string): number => {
    const { dtype, shape } = tensorOf(graph, name);
    return elementCount(shape) * bytesPerElement(dtype);
  };
  const inputs = node.inputs.filter((_, i) => inputTensor(graph, node, i) !== undefined);
  const dtype = inputTensor(graph, node, 0)?.dtype;
  return {
    type: dtype === "int8" || dtype === "uint8" ? "int8" : "float32",
    macs: macsOf(graph, node),
    bytes: isTree(node) ? treeBytes(graph, node) : [...inputs, ...node.outputs].reduce((sum, name) => sum + sizeOf(name), 0),
    output: outputTensor(graph, node).shape,
  };
}

/** A comparison is a feature, a threshold, two children and a value of the sample, four bytes each. */
const COMPARISON_BYTES = 20;

function treeBytes(graph: Graph, node: NodeWith<"TreeEnsemble">): number {
  const trees = treesOf(graph, node);
  const { shape } = outputTensor(graph, node);
  const ways = (shape[0] ?? 1) * trees.roots.length;
  return ways * (treeShape(trees).depth * COMPARISON_BYTES + 4 * trees.outputs) + 4 * elementCount(shape);
}
