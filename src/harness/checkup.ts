/** Does a target really work here: probe it, then run a small convolution on it and compare with the CPU engine. */
import { SlimbenchError } from "../errors.ts";
import { GraphBuilder } from "../graph/builder.ts";
import type { Graph } from "../graph/ir.ts";
import { inferAll } from "./infer.ts";
import { checkParity } from "./parity.ts";
import { referenceOutputs } from "./prepare.ts";
import { probeTarget } from "./probe.ts";
import type { ProbeOptions, TargetProbe } from "./probe.ts";
import type { Target } from "./target.ts";

export interface Checkup {
  readonly works: boolean;
  /** Adapter and features when it works, what is wrong when it does not. */
  readonly detail: string;
  /** What mends it. */
  readonly remedy: string;
  readonly software: boolean;
}

const SILENCE_MS = 60_000;
const MAX_FACT_LENGTH = 30;

export async function checkTarget(target: Target, options: ProbeOptions = {}): Promise<Checkup> {
  try {
    const probe = await probeTarget(target, options);
    const software = probe.software === true;
    if (!probe.available)
      return { works: false, detail: probe.reason?.message ?? "cannot run here", remedy: probe.reason?.remedy ?? "", software };
    const graph = smallGraph();
    const inputs = [[Float32Array.from({ length: 64 }, (_, i) => ((i * 7) % 13) / 13 - 0.5)]];
    const outputs = await inferAll(graph, target, inputs, { silenceMs: SILENCE_MS, probe });
    const { parity, message } = checkParity(graph, await referenceOutputs(graph, inputs), outputs);
    if (!parity.pass)
      return { works: false, detail: `wrong result: ${message}`, remedy: "Report this, with the driver's version", software };
    return { works: true, detail: briefFacts(probe), remedy: "", software };
  } catch (error) {
    if (!(error instanceof SlimbenchError)) throw error;
    return { works: false, detail: error.message, remedy: error.remedy, software: false };
  }
}

/** The adapter and the short facts; limits and long lists of features are in a result's environment. */
function briefFacts({ adapter, facts }: TargetProbe): string {
  const short = Object.entries(facts).filter(([key, value]) => !key.startsWith("max") && String(value).length <= MAX_FACT_LENGTH);
  const shown = adapter === undefined ? short : short.filter(([, value]) => typeof value === "boolean");
  const words = shown.map(([key, value]) => (value === true ? key : value === false ? `no ${key}` : `${key} ${value}`));
  return [...(adapter === undefined ? [] : [adapter]), ...words].join(", ");
}

/** 8×8 image, one 3×3 convolution to 4 channels. */
function smallGraph(): Graph {
  const builder = new GraphBuilder("checkup");
  const x = builder.input("x", "float32", [1, 8, 8, 1]);
  const weights = Float32Array.from({ length: 36 }, (_, i) => ((i * 5) % 11) / 11 - 0.5);
  const w = builder.constant("w", "float32", [4, 3, 3, 1], weights);
  const y = builder.add("Conv2D", "conv", [x, w], { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1 });
  return builder.finish([y]);
}
