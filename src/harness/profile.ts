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
import { macsOf, operationsOf } from "../graph/cost.ts";
import { bytesPerElement, elementCount } from "../graph/dtype.ts";
import type { Graph, Node, NodeWith } from "../graph/ir.ts";
import { opLabels } from "../graph/labels.ts";
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

/** One kernel: of a node, or of several that are fused. */
export interface ProfiledOp {
  /** Of which the kernel is, and its op; what is fused into it follows in `nodes` and `ops`. */
  readonly node: string;
  readonly op: string;
  readonly nodes: readonly string[];
  /** What is computed, in order, e.g. Conv2D, Add, Relu. */
  readonly ops: readonly string[];
  /** A kernel that prepares or completes what another row computes, and counts: `operations`, `macs` and `bytes` are 0 here. */
  readonly helper?: true;
  readonly kernel: string;
  readonly output: readonly number[];
  readonly ms: number;
  /** Since the first op began, by the GPU's clock; absent elsewhere, and where ops were timed apart. */
  readonly startMs?: number;
  /** What it computes with. */
  readonly type: "float32" | "int8";
  /** Multiply-accumulates; 0 for ops that are no product. */
  readonly macs: number;
  /** Of all that it contains: two a multiply-accumulate, one an element for each addition, function and activation. */
  readonly operations: number;
  /** Inputs, weights and output as the graph holds them, each once, without what fused nodes hand on; of decision trees what the longest way down reads, not all nodes. */
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
        ops: ops.map(({ fused = [], ...op }) => {
          const contained = [op.node, ...fused].flatMap((name) => nodes.get(name) ?? []);
          const cost = costOf(pair.graph, contained, op.helper === true);
          const bound = op.helper === true ? undefined : boundOf(cost, op.ms, ceilings);
          const names = { nodes: contained.map(({ name }) => name), ops: contained.flatMap(opLabels) };
          return { ...op, ...names, ...cost, ...(bound === undefined ? {} : { bound }) };
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

type Cost = Pick<ProfiledOp, "macs" | "operations" | "bytes" | "output" | "type">;

/** @param nodes that one kernel computes, each of which may read what the one before gives */
function costOf(graph: Graph, nodes: readonly Node[], isHelper: boolean): Cost {
  const [first, last] = [nodes[0], nodes.at(-1)];
  if (first === undefined || last === undefined) return { type: "float32", macs: 0, operations: 0, bytes: 0, output: [] };
  const dtype = inputTensor(graph, first, 0)?.dtype;
  const type = dtype === "int8" || dtype === "uint8" ? "int8" : "float32";
  const output = outputTensor(graph, last).shape;
  if (isHelper) return { type, macs: 0, operations: 0, bytes: 0, output };
  const sum = (count: (node: Node) => number): number => nodes.reduce((total, node) => total + count(node), 0);
  return {
    type,
    macs: sum((node) => macsOf(graph, node)),
    operations: sum((node) => operationsOf(graph, node)),
    bytes: isTree(first) ? treeBytes(graph, first) : movedBytes(graph, nodes, last),
    output,
  };
}

/** What goes in from outside and what comes out at the end. */
function movedBytes(graph: Graph, nodes: readonly Node[], last: Node): number {
  const inside = new Set(nodes.flatMap((node) => node.outputs));
  const read = nodes.flatMap((node) => node.inputs.filter((name) => name !== "" && !inside.has(name)));
  return [...read, ...last.outputs].reduce((sum, name) => {
    const { dtype, shape } = tensorOf(graph, name);
    return sum + elementCount(shape) * bytesPerElement(dtype);
  }, 0);
}

/** A comparison is a feature, a threshold, two children and a value of the sample, four bytes each. */
const COMPARISON_BYTES = 20;

function treeBytes(graph: Graph, node: NodeWith<"TreeEnsemble">): number {
  const trees = treesOf(graph, node);
  const { shape } = outputTensor(graph, node);
  const ways = (shape[0] ?? 1) * trees.roots.length;
  return ways * (treeShape(trees).depth * COMPARISON_BYTES + 4 * trees.outputs) + 4 * elementCount(shape);
}
