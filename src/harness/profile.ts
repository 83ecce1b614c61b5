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
import type { Graph, Node } from "../graph/ir.ts";
import { openHost } from "../hosts/open.ts";
import type { PlannedModel } from "./plan.ts";
import { prepareModel, preparePair } from "./prepare.ts";
import { probeTarget } from "./probe.ts";
import type { ProbeOptions } from "./probe.ts";
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
  /** Multiply-accumulates; 0 for ops that are no product. */
  readonly macs: number;
  /** Inputs, weights and output as the graph holds them, each once. */
  readonly bytes: number;
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
  readonly adapter?: string;
  readonly software: boolean;
}

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
      const nodes = new Map(pair.graph.nodes.map((node) => [node.name, node]));
      return {
        model: request.model.name,
        recipe: recipe.text,
        target: target.text,
        ops: ops.map(({ node, op, kernel, ms }) => ({ node, op, kernel, ms, ...costOf(pair.graph, nodes.get(node)) })),
        runs,
        plainMs,
        instrumentedMs,
        ...(probe.adapter === undefined ? {} : { adapter: probe.adapter }),
        software: probe.software === true,
      };
    } finally {
      await host.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function costOf(graph: Graph, node: Node | undefined): Pick<ProfiledOp, "macs" | "bytes" | "output"> {
  if (node === undefined) return { macs: 0, bytes: 0, output: [] };
  const sizeOf = (name: string): number => {
    const { dtype, shape } = tensorOf(graph, name);
    return elementCount(shape) * bytesPerElement(dtype);
  };
  const inputs = node.inputs.filter((_, i) => inputTensor(graph, node, i) !== undefined);
  return {
    macs: macsOf(graph, node),
    bytes: [...inputs, ...node.outputs].reduce((sum, name) => sum + sizeOf(name), 0),
    output: outputTensor(graph, node).shape,
  };
}
