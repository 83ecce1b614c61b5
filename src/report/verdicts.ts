/** The words of a comparison that every format shares. */
import type { Comparison, Verdict } from "../results/compare.ts";
import { plural } from "./format.ts";

const ORDER: readonly Verdict[] = ["regression", "improvement", "same", "unknown", "missing", "new"];

/** What differs, one a line, and what to do. */
export function environmentLines({ differences }: Comparison): readonly string[] {
  return [
    "not compared: the base was taken in another environment",
    ...differences.map(({ what, base, current }) => `  ${what}: base ${base}, current ${current}`),
    "Record a new base here, or compare where it was taken",
  ];
}

/** `1 regression, 35 same (latency threshold 5 %): a gate failed`. */
export function comparisonSummary({ rows, thresholdPercent, exitCode }: Comparison): string {
  const counts = ORDER.flatMap((verdict) => {
    const count = rows.filter((row) => row.verdict === verdict).length;
    return count === 0 ? [] : [verdict === "regression" || verdict === "improvement" ? plural(count, verdict) : `${count} ${verdict}`];
  });
  const outcome = { 0: "nothing regressed", 1: "something regressed", 3: "nothing could be concluded" }[exitCode];
  return `${counts.length === 0 ? "no rows" : counts.join(", ")} (latency threshold ${thresholdPercent} %): ${outcome}`;
}
