/** Single inferences of a graph on a target, in a child of their own: what `bench infer` and `bench doctor` do. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UnavailableError } from "../errors.ts";
import type { Graph } from "../graph/ir.ts";
import { serializeGraph } from "../graph/serialize.ts";
import { openHost } from "../hosts/open.ts";
import type { Outputs } from "./parity.ts";
import type { Inputs } from "./prepare.ts";
import { probeTarget } from "./probe.ts";
import type { ProbeOptions, TargetProbe } from "./probe.ts";
import type { Target } from "./target.ts";

export interface InferOptions extends ProbeOptions {
  readonly silenceMs: number;
  readonly onStderr?: (text: string) => void;
  /** Saves the probe where the caller has made it. */
  readonly probe?: TargetProbe;
}

/**
 * @returns outputs of each inference, in order
 * @throws UnavailableError when the target cannot run here, HostError when the engine fails
 */
export async function inferAll(
  graph: Graph,
  target: Target,
  inputs: readonly Inputs[],
  options: InferOptions,
): Promise<readonly Outputs[]> {
  const probe = options.probe ?? (await probeTarget(target, options));
  if (!probe.available) {
    const { code, message, remedy } = probe.reason ?? {
      code: "unavailable",
      message: `target ${target.text}: cannot run here`,
      remedy: "",
    };
    throw new UnavailableError(code, message, remedy);
  }
  const folder = await mkdtemp(join(tmpdir(), "slimbench-"));
  const host = await openHost(probe.place, {
    silenceMs: options.silenceMs,
    ...(options.onStderr === undefined ? {} : { onStderr: options.onStderr }),
  });
  try {
    const graphPath = join(folder, "model.graph");
    await writeFile(graphPath, serializeGraph(graph));
    await host.request("open", { engine: target.engine, options: target.options, graphPath });
    const outputs: Outputs[] = [];
    for (const one of inputs) outputs.push((await host.request("run", { inputs: one })).outputs);
    return outputs;
  } finally {
    await host.close();
    await rm(folder, { recursive: true, force: true });
  }
}
