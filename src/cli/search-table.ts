/** What a search found, for the terminal: the front of what nothing else beats, the best of it, and how to run that. */
import { bytesText, percentText, plural, pointsText, significant } from "../report/format.ts";
import type { Search, Trial, TrialLatency } from "../results/search.ts";
import type { Quality } from "../results/sensitivity.ts";
import { bestFirst, frontOf } from "../study/search/trial.ts";
import { drawTable } from "./plain-table.ts";
import type { Head } from "./plain-table.ts";

export function searchText(result: Search, word: string, colour: boolean): string {
  const { model, goals, minimize, trials, best, elapsedMs } = result;
  const tried = trials.filter(({ origin }) => origin !== "original");
  const missed = tried.filter(({ shortfall = 0, status }) => status === "ok" && shortfall > 0).length;
  const invalid = tried.filter(({ status }) => status !== "ok").length;
  const counts = [
    `${plural(new Set(tried.map(({ recipe }) => recipe)).size, "recipe")} in ${Math.round(elapsedMs / 1000)} s`,
    ...(missed === 0 ? [] : [`${missed} miss the goal${missed === 1 ? "" : "s"}`]),
    ...(invalid === 0 ? [] : [`${invalid} could not be made or measured`]),
  ];
  const front = frontOf(trials);
  const shown = front.length > 0 ? [...front].sort((a, b) => (a.cost ?? 0) - (b.cost ?? 0)) : bestFirst(trials).slice(0, 5);
  const title =
    front.length > 0
      ? "Nothing tried beats these in accuracy, cost and bytes of weights at once:"
      : "Nothing tried meets the goal; the closest:";
  return [
    `${model.name}: ${goals.join(", ")}, least ${minimize}; ${counts.join(", ")}`,
    title,
    drawTable(
      headsFor(shown),
      shown.map((trial) => cellsOf(trial, shown)),
      colour,
      { lastIsTotal: false },
    ),
    ...(best === undefined ? ["not over: the same command with --out goes on"] : verdict(best, result, word)),
  ].join("\n");
}

function headsFor(trials: readonly Trial[]): readonly Head[] {
  return [
    ["recipe", "left"],
    ...(trials.some(misses) ? ([["goal", "left"]] as const) : []),
    ["accuracy", "right"],
    ["agreement", "right"],
    ["weights", "right"],
    ...(trials.some(({ latency }) => latency !== undefined)
      ? ([
          ["latency ms", "right"],
          ["vs fp32", "right"],
        ] as const)
      : ([["cost", "right"]] as const)),
  ];
}

function cellsOf(trial: Trial, all: readonly Trial[]): readonly string[] {
  const { recipe, quality, size, latency, cost } = trial;
  const timed = all.some((one) => one.latency !== undefined);
  return [
    recipe,
    ...(all.some(misses) ? [misses(trial) ? "missed" : "met"] : []),
    accuracyText(quality),
    quality?.agreement === undefined ? "–" : percentText(quality.agreement),
    bytesText(size?.weightBytes),
    ...(timed
      ? [latency === undefined ? "–" : significant(latency.ms), latency === undefined ? "–" : speedText(latency)]
      : [bytesText(cost)]),
  ];
}

function misses({ shortfall = 0 }: Trial): boolean {
  return shortfall > 0;
}

function accuracyText(quality: Quality | undefined): string {
  if (quality?.value === undefined) return "–";
  return `${percentText(quality.value)}${quality.delta === undefined ? "" : ` (${pointsText(quality.delta)})`}`;
}

/** How many times as fast. */
function speedText({ ratio, ratioCi95 }: TrialLatency): string {
  const interval = ratioCi95 === undefined ? "" : ` (${(1 / ratioCi95[1]).toFixed(2)}–${(1 / ratioCi95[0]).toFixed(2)})`;
  return `${(1 / ratio).toFixed(2)}×${interval}`;
}

function verdict(best: NonNullable<Search["best"]>, { goals, minimize }: Search, word: string): readonly string[] {
  const { recipe, meets, quality, latency } = best;
  const judged = quality?.value === undefined ? "" : `, accuracy ${accuracyText(quality)} on ${quality.n} samples`;
  const timed =
    latency === undefined
      ? ""
      : `, ${significant(latency.ms)} ms, ${speedText(latency)} the speed of fp32, measured again in ${latency.processes} fresh process${latency.processes === 1 ? "" : "es"}`;
  const target = minimize.startsWith("latency@") ? ` --target ${minimize.slice("latency@".length)}` : "";
  return [
    meets ? `best: ${recipe}${judged}${timed}` : `not reached: ${goals.join(", ")}; the closest: ${recipe}${judged}`,
    `bench run --model ${word} --recipe fp32 '${recipe}'${target}`,
  ];
}
