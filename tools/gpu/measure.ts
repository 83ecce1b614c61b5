/** One layer with every kernel that can execute it on this device: verified against the CPU engine, then raced by the GPU's clock. */
import type { EngineContext } from "../../src/engines/engine.ts";
import { race, type RaceSettings } from "../../src/engines/tune/race.ts";
import type { SharedDevice } from "../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../src/engines/webgpu/index.ts";
import { lowerGraph } from "../../src/engines/webgpu/lower/index.ts";
import { parseOptions } from "../../src/engines/webgpu/options.ts";
import { SlimbenchError } from "../../src/errors.ts";
import { LAYER } from "../../src/harness/kernels/model.ts";
import { checkParity } from "../../src/harness/parity.ts";
import type { PreparedPair } from "../../src/harness/prepare.ts";
import { median } from "../../src/stats/describe.ts";

/** How candidates were asked for: `dense` expands weights and skips nothing. */
export type Kind = "dense" | "sparse" | "coded";

export interface KernelTime {
  readonly kernel: string;
  readonly kind: Kind;
  /** Median; of all dispatches of the layer. Absent: not right, or not timed. */
  readonly ms?: number;
  readonly weightBytes?: number;
  readonly problem?: string;
}

const KINDS: readonly { readonly kind: Kind; readonly options: Readonly<Record<string, string>> }[] = [
  { kind: "dense", options: { sparse: "off", coded: "off" } },
  { kind: "sparse", options: { sparse: "on", coded: "off" } },
  { kind: "coded", options: { sparse: "off", coded: "on" } },
];

const SETTINGS: RaceSettings = { warmup: { floorMs: 40, windowMs: 20, maxMs: 400 }, blockMs: 0.2, rounds: 11, limitMs: 400 };

export async function measureLayer(pair: PreparedPair, shared: SharedDevice, context: EngineContext): Promise<readonly KernelTime[]> {
  const { graph, inputs, expected } = pair;
  const [input = []] = inputs;
  const results: KernelTime[] = [];
  const opened: { readonly time: KernelTime; readonly call: () => Promise<number>; readonly dispose: () => void }[] = [];
  try {
    for (const { kind, options, node, kernel } of candidates(pair, shared)) {
      try {
        const session = await webgpuEngine.compile(graph, context, options, [{ node, kernel, why: "measured" }]);
        const parity = checkParity(graph, expected.slice(0, 1), [await session.run(input)]);
        if (!parity.parity.pass) {
          session.dispose();
          results.push({ kernel, kind, problem: `wrong: ${parity.message}` });
          continue;
        }
        const call = async (): Promise<number> => {
          const times = (await session.profile(input)).filter((row) => row.node === node);
          return times.length === 0 ? Infinity : times.reduce((sum, { ms }) => sum + ms, 0);
        };
        opened.push({ time: { kernel, kind, weightBytes: session.memory().weights }, call, dispose: () => session.dispose() });
      } catch (error) {
        if (!(error instanceof SlimbenchError)) throw error;
        results.push({ kernel, kind, problem: error.message });
      }
    }
    if (opened.length === 0) return results;
    const { samples } = await race(
      opened.map(({ time, call }) => ({ name: `${time.kind} ${time.kernel}`, call })),
      SETTINGS,
      context.now,
    );
    for (const { time } of opened) {
      const ms = median(samples.get(`${time.kind} ${time.kernel}`) ?? []);
      results.push(Number.isFinite(ms) ? { ...time, ms } : { ...time, problem: "shorter than the GPU's clock resolves" });
    }
    return results.sort((a, b) => (a.ms ?? Infinity) - (b.ms ?? Infinity));
  } finally {
    for (const { dispose } of opened) dispose();
  }
}

interface Candidate {
  readonly kind: Kind;
  readonly options: Readonly<Record<string, string>>;
  readonly node: string;
  readonly kernel: string;
}

/** Of each kind, only kernels that no earlier kind has: with sparse=on, dense ones remain where nothing skips. */
function candidates({ graph }: PreparedPair, { facts }: SharedDevice): readonly Candidate[] {
  const seen = new Set<string>();
  return KINDS.flatMap(({ kind, options }) => {
    const { choices } = lowerGraph(graph, facts, parseOptions(options));
    const [node, choice] = [...choices].find(([name]) => name.startsWith(LAYER)) ?? [];
    if (node === undefined || choice === undefined) return [];
    const fresh = choice.kernels.filter((kernel) => !seen.has(kernel));
    for (const kernel of fresh) seen.add(kernel);
    return fresh.map((kernel) => ({ kind, options, node, kernel }));
  });
}
