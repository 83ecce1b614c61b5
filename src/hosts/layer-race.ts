/** Times the products of several open graphs in turn, and the loops that bound them, all in the process that asks. */
import type { Peak, Session } from "../engines/engine.ts";
import { race } from "../engines/tune/race.ts";
import type { RaceSettings, Racer } from "../engines/tune/race.ts";
import { WARM_FLOOR_MS } from "../engines/tune/tune.ts";
import type { TypedArray } from "../graph/dtype.ts";
import { clockStep, isSpeedingUp } from "./sampling.ts";
import type { Raced, RaceTimes } from "./protocol.ts";

export interface AddedGraph {
  readonly session: Session;
  readonly inputs: readonly TypedArray[];
}

const MAX_RESTARTS = 2;

/** Ops whose time is a kernel's; what else a graph holds (quantizing its input) is not timed. */
const PRODUCTS: readonly string[] = ["Conv2D", "DepthwiseConv2D", "ConvTranspose2D", "Dense", "MatMul"];

/**
 * @param settings `limitMs` for each racer
 * @param warm kernels that ran before; grows
 * @param report called between executions
 */
export async function raceLayers(
  graphs: readonly AddedGraph[],
  peaks: readonly Peak[],
  settings: RaceSettings,
  warm: Set<string>,
  report: () => Promise<void>,
): Promise<Raced> {
  const now = (): number => performance.now();
  const kernels = new Map<string, string>();
  const racers = [
    ...graphs.map((graph, i) => {
      const racer = layerRacer(graph, `graph ${i}`, report);
      kernels.set(racer.name, kernelsOf(graph.session));
      return racer;
    }),
    ...peaks.map(peakRacer),
  ];
  const floorMs = (name: string): number => {
    const kernel = kernels.get(name) ?? name;
    if (warm.has(kernel)) return WARM_FLOOR_MS;
    warm.add(kernel);
    return settings.warmup.floorMs;
  };
  const limitMs = settings.limitMs * racers.length;
  let { samples, calls } = await race(racers, { ...settings, limitMs }, now, floorMs);
  // A compiler that came late: what was sampled before it was warm-up after all.
  for (let restarts = 0; restarts < MAX_RESTARTS && [...samples.values()].some(isSpeedingUp); restarts++) {
    ({ samples, calls } = await race(racers, { ...settings, limitMs }, now, () => WARM_FLOOR_MS));
  }
  const times = racers.map(({ name }): RaceTimes => ({ samples: samples.get(name) ?? [], calls: calls.get(name) ?? 1 }));
  const loops = times.slice(graphs.length);
  return {
    times: times.slice(0, graphs.length),
    peaks: peaks.map(({ type, name, operations }, i) => ({ type, name, operations, samples: [], calls: 1, ...loops[i] })),
    clockStepMs: clockStep(now),
  };
}

function layerRacer({ session, inputs }: AddedGraph, name: string, report: () => Promise<void>): Racer {
  return {
    name,
    call: async () => {
      await report();
      let total = 0;
      for (const { op, ms } of await session.profile(inputs)) if (PRODUCTS.includes(op)) total += ms;
      return total;
    },
  };
}

function peakRacer({ name, ms }: Peak): Racer {
  return { name, call: async () => ms() };
}

function kernelsOf(session: Session): string {
  return session
    .placement()
    .filter(({ op }) => PRODUCTS.includes(op))
    .map(({ kernel }) => kernel)
    .join(" ");
}
