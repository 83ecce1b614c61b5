/**
 * What a change does to the time of the layers that it changes: original and changed layers race in turn in one process, as the rows of a
 * layer's shape do, and several fresh processes agree on a ratio. Each is compared with the CPU engine's outputs before any is timed.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { layerInputs } from "../engines/tune/layer.ts";
import type { KernelChoice } from "../engines/tune/types.ts";
import { UnavailableError } from "../errors.ts";
import type { Graph } from "../graph/ir.ts";
import { serializeGraph } from "../graph/serialize.ts";
import { checkParity } from "../harness/parity.ts";
import { referenceOutputs } from "../harness/prepare.ts";
import type { Preset } from "../harness/presets.ts";
import type { TargetProbe } from "../harness/probe.ts";
import type { Target } from "../harness/target.ts";
import { tuneAll } from "../harness/tuning.ts";
import type { TuneSetting } from "../harness/tuning.ts";
import type { Host } from "../hosts/host.ts";
import { openHost } from "../hosts/open.ts";
import { HostError } from "../hosts/protocol.ts";
import type { LayerTime } from "../results/sensitivity.ts";
import { median } from "../stats/describe.ts";
import { ratioInPairs } from "../stats/processes.ts";

export interface LayerTimesOptions {
  readonly preset: Preset;
  readonly processes: number;
  readonly tune: TuneSetting;
  readonly silenceMs: number;
  readonly childPath?: string | undefined;
  /** 0..1 */
  readonly onProgress: (fraction: number) => void;
  readonly onStderr: (text: string) => void;
  readonly onNote: (line: string) => void;
}

/** Layers before and after a change, each as a graph of its own. */
export interface ChangedLayers {
  readonly before: Graph;
  readonly after: Graph;
}

interface Racer {
  readonly graph: Graph;
  readonly path: string;
  readonly kernels: string[];
  /** A process each, milliseconds. */
  readonly medians: number[];
  /** Why it has no times. */
  fault?: string;
}

/**
 * @param changes that share the layers before are raced against the same one
 * @returns one a change, in order
 * @throws HostError when the run was interrupted
 */
export async function raceChanges(
  changes: readonly ChangedLayers[],
  target: Target,
  probe: TargetProbe,
  options: LayerTimesOptions,
): Promise<readonly LayerTime[]> {
  if (changes.length === 0) return [];
  const failed = (why: string): LayerTime => ({ target: target.text, status: "failed", why });
  if (!probe.available) return changes.map(() => failed(probe.reason?.message ?? `target ${target.text}: cannot run here`));
  const folder = await mkdtemp(join(tmpdir(), "slimbench-"));
  try {
    const racers = new Map<Graph, Racer>();
    const racerOf = (graph: Graph): Racer => {
      const racer = racers.get(graph) ?? { graph, path: join(folder, `${racers.size}.graph`), kernels: [], medians: [] };
      racers.set(graph, racer);
      return racer;
    };
    const pairs = changes.map(({ before, after }) => ({ before: racerOf(before), after: racerOf(after) }));
    for (const { graph, path } of racers.values()) await writeFile(path, serializeGraph(graph));
    await race([...racers.values()], target, probe, options);
    return pairs.map(({ before, after }) => describe(target, before, after));
  } catch (error) {
    if (!(error instanceof HostError || error instanceof UnavailableError) || error.code === "interrupted") throw error;
    return changes.map(() => failed(error.message));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function race(racers: readonly Racer[], target: Target, probe: TargetProbe, options: LayerTimesOptions): Promise<void> {
  const { preset, processes, tune, silenceMs, childPath, onProgress, onStderr, onNote } = options;
  const reports =
    tune === "off"
      ? []
      : await tuneAll(
          racers.map(({ path }) => ({ target, graphPath: path })),
          { mode: tune, place: probe.place, silenceMs, childPath, onProgress: () => undefined, onStderr, onNote },
        );
  for (let process = 0; process < processes; process++) {
    const host = await openHost(probe.place, {
      silenceMs,
      childPath,
      onProgress: ({ fraction }) => onProgress((process + fraction) / processes),
      onStderr,
    });
    try {
      const added = new Map<Racer, number>();
      for (const [i, racer] of racers.entries()) {
        if (racer.fault === undefined) await add(host, racer, target, reports[i]?.choices ?? [], added);
      }
      const live = [...added.keys()];
      if (live.length === 0) return;
      const { engine, options: words } = target;
      const { times } = await host.request("race", {
        engine,
        options: words,
        added: [...added.values()],
        settings: preset.race,
        bounds: false,
      });
      live.forEach((racer, i) => racer.medians.push(median(times[i]?.samples ?? [Number.NaN])));
    } finally {
      await host.close();
    }
    onProgress((process + 1) / processes);
  }
}

/** Compiles and compares; a racer that cannot is out, and says why. */
async function add(
  host: Host,
  racer: Racer,
  { text, engine, options }: Target,
  choices: readonly KernelChoice[],
  added: Map<Racer, number>,
): Promise<void> {
  const { graph, path } = racer;
  const inputs = layerInputs(graph);
  try {
    const { index, outputs, placement } = await host.request("add", { engine, options, graphPath: path, choices, inputs });
    const { parity, message } = checkParity(graph, await referenceOutputs(graph, [inputs]), [outputs]);
    if (!parity.pass) racer.fault = `${text}: output differs from the cpu engine's: ${message}`;
    else added.set(racer, index);
    if (racer.kernels.length === 0) racer.kernels.push(...new Set(placement.map(({ kernel }) => kernel)));
  } catch (error) {
    if (!(error instanceof HostError) || error.code === "interrupted") throw error;
    racer.fault = error.message;
  }
}

function describe({ text }: Target, before: Racer, after: Racer): LayerTime {
  const why = before.fault ?? after.fault;
  if (why !== undefined || before.medians.length === 0) return { target: text, status: "failed", why: why ?? "not timed" };
  const [beforeMs, afterMs] = [median(before.medians), median(after.medians)];
  const compared = ratioInPairs(before.medians, after.medians);
  return {
    target: text,
    status: "ok",
    beforeMs,
    afterMs,
    ...(compared === undefined
      ? beforeMs > 0
        ? { ratio: afterMs / beforeMs }
        : {}
      : { ratio: compared.ratio, ratioCi95: [...compared.ci95] }),
    processes: { beforeMs: before.medians, afterMs: after.medians },
    kernels: { before: before.kernels, after: after.kernels },
  };
}
