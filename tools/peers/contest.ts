/** One case in one host: open it in every runtime, verify what each computes, time those that are right. Runs in Node and in a page. */
import { compareOutputs } from "../../src/engines/tolerance.ts";
import { elementCount, viewArray, type TypedArray } from "../../src/graph/dtype.ts";
import { mean } from "../../src/stats/describe.ts";
import type { NodeProfile } from "../../src/engines/engine.ts";
import type { PeerCase, TensorFile } from "./case.ts";
import { OURS } from "./peer-ours.ts";
import { NotTaken, type Peer, type Runner } from "./peer.ts";
import { timeRounds, type RoundSettings, type Timed } from "./rounds.ts";

/** How one runtime did. */
export type Outcome =
  | ({ readonly status: "timed"; readonly maxAbsError: number; readonly tolerance: number } & Timed)
  | { readonly status: "not run" | "failed" | "wrong"; readonly name: string; readonly reason: string };

export interface CaseResult {
  readonly id: string;
  readonly outcomes: readonly Outcome[];
  /** Typical time of each node of ours, from separate instrumented runs. */
  readonly profile?: readonly NodeProfile[];
}

export type ReadFile = (file: string) => Promise<Uint8Array>;

const PROFILE_RUNS = { least: 11, most: 201, budgetMs: 500 } as const;

export async function runContest(one: PeerCase, peers: readonly Peer[], readFile: ReadFile, settings: RoundSettings): Promise<CaseResult> {
  const expected: TypedArray[] = [];
  for (const output of one.outputs) expected.push(await readTensor(output, readFile));
  const outcomes = new Map<string, Outcome>();
  const runners = new Map<string, Runner & { readonly maxAbsError: number; readonly tolerance: number }>();
  try {
    for (const peer of peers) {
      const opened = await openVerified(one, peer, expected, readFile);
      if ("status" in opened) outcomes.set(peer.name, opened);
      else runners.set(peer.name, opened);
    }
    const contestants = [...runners].map(([name, runner]) => ({ name, call: () => runner.run() }));
    for (const timed of await timeRounds(contestants, settings, () => performance.now())) {
      const { maxAbsError, tolerance } = runners.get(timed.name)!;
      outcomes.set(timed.name, { status: "timed", ...timed, maxAbsError, tolerance });
    }
    const profile = await profileOf(runners.get(OURS));
    return { id: one.id, outcomes: peers.map((peer) => outcomes.get(peer.name)!), ...(profile && { profile }) };
  } finally {
    for (const runner of runners.values()) await runner.dispose();
  }
}

async function openVerified(
  one: PeerCase,
  peer: Peer,
  expected: readonly TypedArray[],
  readFile: ReadFile,
): Promise<Outcome | (Runner & { readonly maxAbsError: number; readonly tolerance: number })> {
  const form = one.forms[peer.format];
  if ("reason" in form) return { status: "not run", name: peer.name, reason: form.reason };
  let runner: Runner | undefined;
  try {
    const inputs = [];
    for (const input of form.inputs) inputs.push({ ...input, data: await readTensor(input, readFile) });
    runner = await peer.open(await readFile(form.file), inputs);
    // Twice: the second run shows whether outputs or state of the first leak into it.
    await runner.run();
    const tolerances = one.outputs.map((output) => (peer.name === OURS ? output.ownTolerance : output.tolerance));
    const verdict = judge(expected, await runner.run(), tolerances);
    if (verdict.pass) return { ...runner, maxAbsError: verdict.maxAbsError, tolerance: verdict.tolerance };
    await runner.dispose();
    return { status: "wrong", name: peer.name, reason: verdict.message };
  } catch (error) {
    await runner?.dispose();
    const reason = error instanceof Error ? error.message : String(error);
    return { status: error instanceof NotTaken ? "not run" : "failed", name: peer.name, reason: reason.split("\n")[0]! };
  }
}

/** Integers are compared within a tolerance too: other runtimes round otherwise than we do. */
export function judge(
  expected: readonly TypedArray[],
  actual: readonly TypedArray[],
  tolerances: readonly number[],
): { readonly pass: boolean; readonly maxAbsError: number; readonly tolerance: number; readonly message: string } {
  const sizes = (arrays: readonly TypedArray[]): string => arrays.map((a) => a.length).join(", ");
  if (sizes(actual) !== sizes(expected)) {
    const message = `outputs of ${sizes(actual)} elements, expected ${sizes(expected)}`;
    return { pass: false, maxAbsError: Infinity, tolerance: 0, message };
  }
  return compareOutputs(expected.map(asFloats), actual.map(asFloats), tolerances);
}

function asFloats(data: TypedArray): TypedArray {
  return data instanceof Float32Array ? data : Float32Array.from(data);
}

async function readTensor({ file, dtype, shape }: TensorFile, readFile: ReadFile): Promise<TypedArray> {
  // A copy: what is read may start at any address.
  return viewArray(dtype, (await readFile(file)).slice().buffer, 0, elementCount(shape));
}

async function profileOf(runner: Runner | undefined): Promise<readonly NodeProfile[] | undefined> {
  if (runner?.profile === undefined) return undefined;
  const runs: (readonly NodeProfile[])[] = [];
  const end = performance.now() + PROFILE_RUNS.budgetMs;
  while (runs.length < PROFILE_RUNS.least || (runs.length < PROFILE_RUNS.most && performance.now() < end))
    runs.push(await runner.profile());
  return runs[0]!.map((node, n) => ({ ...node, ms: middleMean(runs.map((run) => run[n]!.ms)) }));
}

/** Mean of the middle half: without interruptions, as the median is, and finer than a clock of 5 µs steps, as the median is not. */
export function middleMean(values: readonly number[]): number {
  const quarter = values.length >> 2;
  return mean(values.toSorted((a, b) => a - b).slice(quarter, values.length - quarter));
}
