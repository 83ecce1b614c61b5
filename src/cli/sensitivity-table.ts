/** A sensitivity study as tables for the terminal: layers by changes, one table for the outputs and one for each target's times. */
import { ABSENT, percentText, plural, pointsText } from "../report/format.ts";
import { changeGroup, changeLabel, isEven } from "../report/sensitivity.ts";
import type { Sensitivity, SensitivityCell } from "../results/sensitivity.ts";
import { drawTable } from "./plain-table.ts";
import type { Head } from "./plain-table.ts";

export function sensitivityTable(result: Sensitivity, colour: boolean): string {
  const { model, original, targets, layers } = result;
  const labelled = original.value !== undefined;
  const judged = labelled
    ? `${model.dataset ?? ""}, ${plural(original.n, "sample")}, the original is right on ${percentText(original.value)}`
    : `no dataset: judged on ${plural(original.n, "input")} of seeded noise`;
  const first = labelled ? "change of accuracy, points" : "agreement with the original, %";
  const parts = [
    `${model.name}: ${judged}`,
    first,
    grid(result, qualityText, colour),
    "signal to noise of the outputs, dB",
    grid(result, noiseText, colour),
  ];
  for (const target of targets) {
    const software = result.environment.engines?.[target]?.software === true ? " (software GPU: not comparable with hardware)" : "";
    parts.push(
      `time of the changed layers on ${target}${software}, after / before; ~ may be 1`,
      grid(result, (cell) => timeText(cell, target), colour),
    );
  }
  const reasons = new Map<string, string[]>();
  for (const { layer, cells } of layers) {
    for (const { change, status, why = "" } of cells) {
      if (status === "none")
        reasons.set(change, [...(reasons.get(change) ?? []), `${layer} (${why.replace(/^recipe step [^:]+(:[^:]+)?: /, "")})`]);
    }
  }
  for (const [change, list] of reasons)
    parts.push(`${change} has no form for ${plural(list.length, "layer")}: ${list.slice(0, 3).join("; ")}${list.length > 3 ? "; …" : ""}`);
  return parts.join("\n");
}

function grid({ layers, changes }: Sensitivity, text: (cell: SensitivityCell) => string, colour: boolean): string {
  const heads: readonly Head[] = [["layer", "left"], ...changes.map((change): Head => [headOf(change), "right"])];
  const rows = layers.map(({ layer, cells }) => [
    layer,
    ...changes.map((change) => {
      const cell = cells.find((one) => one.change === change);
      return cell === undefined ? "" : cell.status === "none" ? ABSENT : text(cell);
    }),
  ]);
  return drawTable(heads, rows, colour, { lastIsTotal: false });
}

/** Short words above each other: `prune` over `0.5` over `1x8`. */
function headOf(change: string): string {
  const group =
    { zeros: "prune", "zeros, in a pattern": "prune", "channels cut": "cut", "shared values": "cluster", bits: "" }[changeGroup(change)] ??
    "";
  return [group, changeLabel(change)].filter((line) => line !== "").join("\n");
}

function qualityText({ quality }: SensitivityCell): string {
  if (quality?.identical === true) return "=";
  if (quality?.delta !== undefined) return pointsText(quality.delta);
  return quality?.agreement === undefined ? ABSENT : (100 * quality.agreement).toFixed(1);
}

function noiseText({ quality }: SensitivityCell): string {
  if (quality?.identical === true) return "=";
  return quality?.sqnrDb === undefined ? ABSENT : quality.sqnrDb.toFixed(0);
}

function timeText({ times = [] }: SensitivityCell, target: string): string {
  const time = times.find((one) => one.target === target);
  return time?.ratio === undefined ? ABSENT : `${isEven(time) ? "~" : ""}${time.ratio.toFixed(2)}`;
}
