/**
 * One record in the page: the CPU engine's outputs in a worker of their own, then the target in a fresh worker, by the code that measures
 * everywhere (harness/record.ts). Without accuracy, which needs the whole test set.
 */
import { UsageError } from "../errors.ts";
import type { ProbeResult } from "../engines/engine.ts";
import { deserializeGraph } from "../graph/serialize.ts";
import type { Outputs } from "../harness/parity.ts";
import type { PlannedRecord } from "../harness/plan.ts";
import { presetOf } from "../harness/presets.ts";
import type { PresetName } from "../harness/presets.ts";
import { silentReporter } from "../harness/progress.ts";
import { failedRecord, identityOf, measure } from "../harness/record.ts";
import type { Gathered } from "../harness/record.ts";
import type { ServedPair } from "../harness/served.ts";
import { parseTarget } from "../harness/target.ts";
import { decodeMessage } from "../hosts/wire.ts";
import type { ResultRecord } from "../results/schema.ts";
import { WorkerHost } from "./worker-host.ts";

const SILENCE_MS = 120_000;

export interface Row {
  readonly model: string;
  readonly recipe: string;
  readonly target: string;
}

export interface MeasuredRow {
  readonly record: ResultRecord;
  readonly probe: ProbeResult;
}

/** @throws UsageError when a word of the row is wrong */
export async function measureRow(row: Row, preset: PresetName, seed: number, onPhase: (text: string) => void): Promise<MeasuredRow> {
  const target = parseTarget(row.target);
  if (target.host.kind !== "node") throw new UsageError(`target ${row.target}: runs in this page, so it has no @host`);
  onPhase("preparing");
  const pair = await fetchPair(row);
  const planned: PlannedRecord = {
    model: { name: row.model, path: row.model, shapes: new Map() },
    recipe: pair.recipe,
    target,
  };
  const graph = deserializeGraph(
    new Uint8Array(await (await fetchOk(`file?name=${encodeURIComponent(pair.graph)}`)).arrayBuffer()),
    pair.graph,
  );
  onPhase("computing on the cpu engine");
  const expected = await inWorker(async (host) => {
    await host.request("open", { engine: "cpu", options: {}, graphPath: pair.graph });
    const outputs: Outputs[] = [];
    for (const inputs of pair.inputs) outputs.push((await host.request("run", { inputs })).outputs);
    return outputs;
  });
  const { size, compute, steps } = pair;
  const gathered: Gathered = { size, compute, steps };
  let probe: ProbeResult = { available: false, facts: {} };
  const reporter = { ...silentReporter, phase: (_: unknown, phase: string): void => onPhase(phase) };
  try {
    const record = await inWorker(
      async (host) => {
        probe = await host.request("probe", { engine: target.engine, options: target.options });
        if (!probe.available) {
          const reason = probe.reason ?? { code: "unavailable", message: `target ${row.target}: cannot run here`, remedy: "" };
          return { ...identityOf(planned), status: "unavailable" as const, reason, ...gathered };
        }
        const adapter = adapterOf(probe);
        if (adapter !== undefined) gathered.device = { adapter, software: probe.software === true };
        const facts = { ...probe, ...(adapter === undefined ? {} : { adapter }) };
        const underTest = { graph, graphPath: pair.graph, inputs: pair.inputs, expected, model: {} };
        return (await measure(host, planned, underTest, facts, { preset: presetOf(preset), seed, reporter }, gathered, [])).record;
      },
      (phase, fraction) => onPhase(`${phase}, ${Math.round(fraction * 100)} %`),
    );
    return { record, probe };
  } catch (error) {
    return { record: failedRecord(planned, error, gathered), probe };
  }
}

function adapterOf({ facts }: ProbeResult): string | undefined {
  const words = [facts["description"], facts["device"], facts["vendor"]].filter((word) => word !== undefined && word !== "");
  return words[0] === undefined ? undefined : String(words[0]);
}

async function inWorker<T>(work: (host: WorkerHost) => Promise<T>, onProgress?: (phase: string, fraction: number) => void): Promise<T> {
  const host = new WorkerHost({
    silenceMs: SILENCE_MS,
    ...(onProgress === undefined ? {} : { onProgress: ({ phase, fraction }) => onProgress(phase, fraction) }),
  });
  try {
    return await work(host);
  } finally {
    await host.close();
  }
}

async function fetchPair({ model, recipe }: Row): Promise<ServedPair> {
  const response = await fetchOk(`pair?${new URLSearchParams({ model, recipe }).toString()}`);
  return decodeMessage(new Uint8Array(await response.arrayBuffer())) as ServedPair;
}

/** @throws UsageError with what the server said */
async function fetchOk(url: string): Promise<Response> {
  const response = await fetch(url).catch((error: unknown) => {
    throw new UsageError(`bench serve does not answer, ${error instanceof Error ? error.message : String(error)}`, "Is it still running?");
  });
  if (response.ok) return response;
  if (response.status !== 422) throw new UsageError(`${url}: not served (HTTP ${response.status})`, "Reload the page");
  const { message, remedy } = (await response.json()) as { readonly message: string; readonly remedy: string };
  throw new UsageError(message, remedy);
}
