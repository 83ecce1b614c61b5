/**
 * From which share of zeros on sparse kernels pay, per layer, target and pattern: read off the records of a sweep, which ran with kernels
 * that skip zeros whether that pays or not, against the dense record of the same target.
 */
import { lastCrossing } from "../stats/crossing.ts";
import type { BreakEven, OkRecord, ResultRecord } from "./schema.ts";

/** Target option that marks a sweep. */
const FORCED = /[:,]sparse=on$/;
const PRUNE = /prune:([0-9.]+)/g;
const DENSE = "fp32";

export interface SweepIdentity {
  /** The target that the dense record has. */
  readonly target: string;
  /** The recipe with `X` for the share of zeros. */
  readonly pattern: string;
  /** Recipe of the dense record. */
  readonly dense: string;
}

/** Undefined for a record that belongs to no sweep. */
export function sweepOf({ target, recipe }: Pick<ResultRecord, "target" | "recipe">): SweepIdentity | undefined {
  if (!FORCED.test(target) || recipe.match(PRUNE) === null) return undefined;
  const rest = recipe.split("+").filter((step) => step.match(PRUNE) === null);
  return { target: target.replace(FORCED, ""), pattern: recipe.replace(PRUNE, "prune:X"), dense: rest.length === 0 ? DENSE : rest.join("+") };
}

/** In the order of the records. */
export function breakEvens(records: readonly ResultRecord[]): readonly BreakEven[] {
  const ok = records.filter((record): record is OkRecord => record.status === "ok");
  const sweeps = new Map<string, { readonly identity: SweepIdentity; readonly model: string; readonly records: OkRecord[] }>();
  for (const record of ok) {
    const identity = sweepOf(record);
    if (identity === undefined) continue;
    const key = `${record.model} ${identity.target} ${identity.pattern}`;
    const sweep = sweeps.get(key) ?? { identity, model: record.model, records: [] };
    sweeps.set(key, sweep);
    sweep.records.push(record);
  }
  return [...sweeps.values()].flatMap(({ identity, model, records: members }) => {
    const dense = ok.find((r) => r.model === model && r.recipe === identity.dense && r.target === identity.target);
    if (dense === undefined) return [];
    const points = members
      .flatMap((record) => {
        const zeros = zeroShare(record);
        return zeros === undefined ? [] : [{ zeros, speedup: dense.latencyMs.median / record.latencyMs.median }];
      })
      .sort((a, b) => a.zeros - b.zeros);
    const crossing = lastCrossing(points.map(({ zeros, speedup }) => ({ x: zeros, ratio: 1 / speedup })));
    if (crossing === undefined) return [];
    const { target, pattern } = identity;
    return [{ model, target, pattern, relation: crossing.relation, zeros: crossing.x, points }];
  });
}

function zeroShare({ compute }: OkRecord): number | undefined {
  const { macs, effectiveMacs } = compute ?? {};
  return macs === undefined || effectiveMacs === undefined || macs === 0 ? undefined : 1 - effectiveMacs / macs;
}
