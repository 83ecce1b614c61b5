/** Results as JSON-able objects and as markdown: one table per host, one row per case, each peer as its time and as a ratio to ours. */
import { summarize } from "../../src/stats/summary.ts";
import type { NodeProfile } from "../../src/engines/engine.ts";
import type { PeerCase } from "./case.ts";
import type { CaseResult, Outcome } from "./contest.ts";
import { OURS } from "./peer-ours.ts";
import { ratioInterval } from "./rounds.ts";

/** Native code: a yardstick, not one of the runtimes that a page can choose from. */
const NATIVE = "onnxruntime-node";

export interface PeerRow {
  readonly name: string;
  readonly status: Outcome["status"];
  readonly reason?: string;
  readonly medianMs?: number;
  readonly medianCi95?: readonly [number, number];
  /** Its time over ours, of the same round: above 1 we are faster. Median and 95 % interval. */
  readonly ratio?: number;
  readonly ratioCi95?: readonly [number, number];
  readonly samplesMs?: readonly number[];
  readonly blockCalls?: number;
  readonly warmMs?: number;
  readonly steady?: boolean;
  readonly maxAbsError?: number;
  readonly tolerance?: number;
}

export interface CaseRow {
  readonly title: string;
  readonly precision: PeerCase["precision"];
  readonly macs: number;
  readonly notes: readonly string[];
  readonly peers: readonly PeerRow[];
  /** The fastest peer that runs in a page. */
  readonly fastest?: { readonly name: string; readonly ratio: number; readonly ratioCi95?: readonly [number, number] };
  readonly profile?: readonly NodeProfile[];
}

export interface HostReport {
  readonly host: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly rows: readonly CaseRow[];
}

export function caseRow(one: PeerCase, result: CaseResult): CaseRow {
  const own = result.outcomes.find((o) => o.name === OURS);
  const ours = own?.status === "timed" ? own.samples : undefined;
  const peers = result.outcomes.map((outcome) => peerRow(outcome, ours));
  const rivals = peers.filter((p) => p.name !== OURS && p.name !== NATIVE && p.ratio !== undefined);
  const [fastest] = rivals.toSorted((a, b) => a.ratio! - b.ratio!);
  const { title, precision, macs, notes } = one;
  return {
    title,
    precision,
    macs,
    notes,
    peers,
    ...(fastest?.ratio !== undefined && {
      fastest: { name: fastest.name, ratio: fastest.ratio, ...(fastest.ratioCi95 && { ratioCi95: fastest.ratioCi95 }) },
    }),
    ...(result.profile && { profile: result.profile }),
  };
}

function peerRow(outcome: Outcome, ours: readonly number[] | undefined): PeerRow {
  const { name, status } = outcome;
  if (outcome.status !== "timed") return { name, status, reason: outcome.reason };
  const { samples, blockCalls, warmMs, steady, maxAbsError, tolerance } = outcome;
  const { median, ci95 } = summarize(samples);
  const ratio = ours === undefined || name === OURS ? undefined : ratioInterval(ours, samples);
  return {
    name,
    status,
    medianMs: median,
    ...(ci95 && { medianCi95: ci95 }),
    ...(ratio && { ratio: ratio.median, ratioCi95: [ratio.low, ratio.high] as const }),
    samplesMs: samples,
    blockCalls,
    warmMs,
    steady,
    maxAbsError,
    tolerance,
  };
}

/** @param profiles with a table of our slowest nodes under each host */
export function markdown(reports: readonly HostReport[], profiles: boolean): string {
  return reports.map((report) => hostMarkdown(report, profiles)).join("\n\n");
}

function hostMarkdown({ host, environment, rows }: HostReport, profiles: boolean): string {
  const facts = Object.entries(environment).map(([key, value]) => `${key} ${value}`);
  const names = [...new Set(rows.flatMap((row) => row.peers.map((p) => p.name)))].filter((name) => name !== OURS);
  const header = ["model", `${OURS} ms`, "G/s", ...names, "fastest in a page"];
  const lines = rows.map((row) => {
    const own = row.peers.find((p) => p.name === OURS);
    const rate = own?.medianMs === undefined ? "" : ((2 * row.macs) / own.medianMs / 1e6).toFixed(1);
    const cells = names.map((name) => peerCell(row.peers.find((p) => p.name === name)));
    const best = row.fastest === undefined ? "" : `${row.fastest.name} ${ratioText(row.fastest.ratio, row.fastest.ratioCi95)}`;
    return [row.title, own === undefined ? "" : timeCell(own), rate, ...cells, best];
  });
  const about = rows.flatMap((row) => [
    ...row.notes.map((note) => `- ${row.title}: ${note}`),
    ...row.peers.filter((p) => p.reason !== undefined).map((p) => `- ${row.title}, ${p.name}: ${p.status}: ${p.reason ?? ""}`),
    ...row.peers.filter((p) => p.steady === false).map((p) => `- ${row.title}, ${p.name}: still getting faster when its warm-up ended`),
  ]);
  const parts = [`## ${host} (${facts.join(", ")})`, table([header, ...lines]), about.join("\n")];
  if (profiles) parts.push(...rows.filter((row) => row.profile !== undefined).map(profileMarkdown));
  return parts.filter((part) => part !== "").join("\n\n");
}

function peerCell(row: PeerRow | undefined): string {
  if (row === undefined) return "";
  return row.ratio === undefined ? timeCell(row) : `${timeCell(row)} ${ratioText(row.ratio, row.ratioCi95)}`;
}

function timeCell(row: PeerRow): string {
  return row.medianMs === undefined ? row.status : formatMs(row.medianMs);
}

function formatMs(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms >= 1 ? ms.toFixed(2) : ms.toFixed(4);
}

function ratioText(ratio: number, ci: readonly [number, number] | undefined): string {
  return `×${ratio.toFixed(2)}${ci === undefined ? "" : ` [${ci[0].toFixed(2)}, ${ci[1].toFixed(2)}]`}`;
}

function profileMarkdown(row: CaseRow): string {
  const profile = row.profile ?? [];
  const total = profile.reduce((sum, node) => sum + node.ms, 0);
  const share = (ms: number): string => `${((100 * ms) / total).toFixed(1)} %`;
  const kernels = new Map<string, NodeProfile[]>();
  for (const node of profile) kernels.set(node.kernel, [...(kernels.get(node.kernel) ?? []), node]);
  const lines = [...kernels]
    .map(([kernel, nodes]) => ({ kernel, nodes, ms: nodes.reduce((sum, node) => sum + node.ms, 0) }))
    .toSorted((a, b) => b.ms - a.ms)
    .map(({ kernel, nodes, ms }) => [kernel, `${nodes.length}`, ms.toFixed(4), share(ms)]);
  return `### ${row.title}: our kernels\n\n${table([["kernel", "nodes", "ms", "share"], ...lines])}`;
}

function table(rows: readonly (readonly string[])[]): string {
  const [header = [], ...body] = rows;
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...body.map(line)].join("\n");
}
