/** What a sensitivity study found, as a heat map: accuracy (or agreement, on noise) and noise by layer and change, and the layers' times by target. */
import type { LayerTime, Sensitivity, SensitivityCell } from "../results/sensitivity.ts";
import { bytesText, countText, grouped, percentText, pointsText, significant } from "./format.ts";
import type { HeatCell, HeatMap, HeatPanel } from "./heat-map.ts";

interface Shade {
  /** Values from here on, up to the next one's. */
  readonly from: number;
  readonly fill: string;
  readonly text: string;
}

/** Points of accuracy, or of agreement, that are lost. */
const LOSS: readonly Shade[] = [
  { from: -Infinity, fill: "#c6dbef", text: "gain" },
  { from: -0.005, fill: "#ffffff", text: "0" },
  { from: 0.005, fill: "#fff3e0", text: "0.01" },
  { from: 0.1, fill: "#fee0b6", text: "0.1" },
  { from: 0.25, fill: "#fdbb84", text: "0.25" },
  { from: 0.5, fill: "#fc8d59", text: "0.5" },
  { from: 1, fill: "#ef6548", text: "1" },
  { from: 2.5, fill: "#d7301f", text: "2.5" },
  { from: 10, fill: "#990000", text: "10" },
  { from: 30, fill: "#5b0000", text: "30 points" },
];

/** Decibels: 6 are a bit. */
const NOISE: readonly Shade[] = [
  { from: -Infinity, fill: "#54278f", text: "below 10" },
  { from: 10, fill: "#756bb1", text: "10" },
  { from: 20, fill: "#9e9ac8", text: "20" },
  { from: 30, fill: "#bcbddc", text: "30" },
  { from: 40, fill: "#dadaeb", text: "40" },
  { from: 60, fill: "#f2f0f7", text: "60 dB" },
];

/** Time after over before. */
const TIME: readonly Shade[] = [
  { from: 0, fill: "#08519c", text: "0" },
  { from: 0.25, fill: "#3182bd", text: "0.25" },
  { from: 0.45, fill: "#6baed6", text: "0.45" },
  { from: 0.65, fill: "#9ecae1", text: "0.65" },
  { from: 0.85, fill: "#deebf7", text: "0.85" },
  { from: 0.97, fill: "#ffffff", text: "0.97" },
  { from: 1.03, fill: "#fee8c8", text: "1.03" },
  { from: 1.2, fill: "#fdbb84", text: "1.2" },
  { from: 1.6, fill: "#e34a33", text: "1.6×" },
];

export function sensitivityMap(result: Sensitivity): HeatMap {
  const { model, layers, changes, targets, original } = result;
  const labelled = original.value !== undefined;
  const cells = layers.map((layer) => changes.map((change) => layer.cells.find((cell) => cell.change === change)));
  const panel = (title: string, shades: readonly Shade[], cell: (cell: SensitivityCell) => HeatCell): HeatPanel => ({
    title,
    legend: shades.map(({ fill, text }) => ({ fill, text })),
    cells: cells.map((row) => row.map((one) => (one === undefined ? { text: "", details: "not measured" } : withReason(one, cell)))),
  });
  return {
    title: `${model.name}: what changing one layer alone does`,
    subtitle: labelled
      ? `${model.dataset ?? ""}, ${grouped(original.n)} samples; the original: ${percentText(original.value)} right, ${bytesText(model.weightBytes)} of weights`
      : `no dataset: judged on ${grouped(original.n)} inputs of seeded noise; ${bytesText(model.weightBytes)} of weights`,
    rows: layers.map(({ layer, op, shape, params, macs }) => ({
      label: layer,
      details: `${layer}: ${op}, weights [${shape.join(", ")}], ${grouped(params)} parameters, ${countText(macs)} MACs`,
    })),
    columns: changes.map((change) => ({ label: changeLabel(change), group: changeGroup(change) })),
    panels: [
      labelled
        ? panel("Change of accuracy, points", LOSS, (cell) => lossCell(cell, cell.quality?.delta))
        : panel("Change of the largest output, points of agreement", LOSS, (cell) => {
            const agreement = cell.quality?.agreement;
            return lossCell(cell, agreement === undefined ? undefined : agreement - 1);
          }),
      panel("Signal to noise of the outputs, dB", NOISE, noiseCell),
      ...targets.map((target) => {
        const software = result.environment.engines?.[target]?.software === true ? " (software GPU)" : "";
        return panel(`Time of the changed layers on ${target}${software}, after / before`, TIME, (cell) => timeCell(cell, target));
      }),
    ],
    notes: [
      ...(targets.length === 0
        ? []
        : ["Times: the changed layers' own kernels, raced in turn with the original's. Italics: the 95 % interval holds no change."]),
      "· the layer has no such form (hover for the reason); = the outputs are identical",
    ],
  };
}

/** `prune:0.5,block=1x8` → two lines, `0.5` over `1x8`; the group says the rest. */
export function changeLabel(change: string): string {
  const [head = "", ...options] = change.split(",");
  const [name = "", value] = head.split(":");
  const words = options.map((option) => option.replace(/^(block|channels|nm)=/, ""));
  return [...(name === "prune" || name === "cluster" ? (value === undefined ? [] : [value]) : [head]), ...words].join("\n");
}

/** What heads the columns of its kind. */
export function changeGroup(change: string): string {
  if (change.startsWith("prune,channels=")) return "channels cut";
  if (change.startsWith("prune")) return change.includes("block=") || change.includes("nm=") ? "zeros, in a pattern" : "zeros";
  return change.startsWith("cluster") ? "shared values" : "bits";
}

function withReason(cell: SensitivityCell, text: (cell: SensitivityCell) => HeatCell): HeatCell {
  return cell.status === "none" ? { text: "·", details: `${cell.recipe}: ${cell.why ?? "no such form"}` } : text(cell);
}

function lossCell(cell: SensitivityCell, delta: number | undefined): HeatCell {
  if (delta === undefined) return { text: "", details: detailsOf(cell) };
  const label = cell.quality?.identical === true ? "=" : pointsText(delta);
  const interval = cell.quality?.deltaCi95;
  const faint = interval !== undefined && interval[0] <= 0 && interval[1] >= 0;
  return { text: label, fill: shadeOf(LOSS, -100 * delta), faint, details: detailsOf(cell) };
}

function noiseCell(cell: SensitivityCell): HeatCell {
  const { identical, sqnrDb } = cell.quality ?? {};
  if (identical === true) return { text: "=", fill: "#ffffff", details: detailsOf(cell) };
  if (sqnrDb === undefined) return { text: "", details: detailsOf(cell) };
  return { text: sqnrDb.toFixed(sqnrDb < 10 ? 1 : 0), fill: shadeOf(NOISE, sqnrDb), details: detailsOf(cell) };
}

function timeCell(cell: SensitivityCell, target: string): HeatCell {
  const time = cell.times?.find((one) => one.target === target);
  if (time?.ratio === undefined) return { text: "–", details: `${cell.recipe}: ${time?.why ?? "not timed"}` };
  return { text: time.ratio.toFixed(2), fill: shadeOf(TIME, time.ratio), faint: isEven(time), details: detailsOf(cell) };
}

/** Whether the interval of a ratio holds 1. */
export function isEven({ ratioCi95 }: LayerTime): boolean {
  return ratioCi95 !== undefined && ratioCi95[0] <= 1 && ratioCi95[1] >= 1;
}

function detailsOf({ recipe, quality, weightBytes, times = [], layers = [] }: SensitivityCell): string {
  const { n = 0, value, delta, deltaCi95, agreement, sqnrDb, identical } = quality ?? {};
  const interval = deltaCi95 === undefined ? "" : ` (${pointsText(deltaCi95[0])} to ${pointsText(deltaCi95[1])})`;
  return [
    recipe,
    ...(value === undefined || delta === undefined
      ? []
      : [`accuracy ${percentText(value)}, ${pointsText(delta)} points${interval}, ${grouped(n)} samples`]),
    ...(agreement === undefined ? [] : [`agrees with the original on ${percentText(agreement)}`]),
    ...(identical === true ? ["outputs identical"] : sqnrDb === undefined ? [] : [`${sqnrDb.toFixed(1)} dB`]),
    ...(weightBytes === undefined ? [] : [`weights of the model ${bytesText(weightBytes)}`]),
    ...(layers.length > 1 ? [`changes ${layers.join(", ")}`] : []),
    ...times.map(timeText),
  ].join("\n");
}

function timeText({ target, why, beforeMs, afterMs, ratio, ratioCi95, kernels }: LayerTime): string {
  if (ratio === undefined || beforeMs === undefined || afterMs === undefined) return `${target}: ${why ?? "not timed"}`;
  const interval = ratioCi95 === undefined ? "" : ` (${ratioCi95.map((value) => value.toFixed(2)).join(" to ")})`;
  const which = kernels === undefined ? "" : `: ${kernels.before.join(" ")} → ${kernels.after.join(" ")}`;
  return `${target}: ${significant(1000 * beforeMs)} → ${significant(1000 * afterMs)} µs, ${ratio.toFixed(2)}×${interval}${which}`;
}

function shadeOf(shades: readonly Shade[], value: number): string {
  return shades.filter(({ from }) => value >= from).at(-1)?.fill ?? "#ffffff";
}
