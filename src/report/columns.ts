/** Columns that the terminal table and the Markdown table share, and their texts. */
import type { Latency } from "../results/schema.ts";
import { ABSENT, bytesText, countText, percentText, pointsText, significant } from "./format.ts";
import { halfWidth, modelMemory } from "./view.ts";
import type { RecordView } from "./view.ts";

export const MARKS = { best: "*", software: "†", sampled: "‡" } as const;

export interface Column {
  readonly header: string;
  readonly text: (view: RecordView) => string;
  /** Whether its value is the best of the model. */
  readonly best?: (view: RecordView) => boolean;
  readonly align: "left" | "right";
}

export const latencyColumn: Column = {
  header: "latency ms (95 % interval)",
  text: ({ record }) => (record.latencyMs === undefined ? ABSENT : intervalText(record.latencyMs)),
  best: ({ best }) => best.latency,
  align: "right",
};

export const narrowLatencyColumn: Column = {
  ...latencyColumn,
  header: "latency ms",
  text: ({ record }) => (record.latencyMs === undefined ? ABSENT : plusMinusText(record.latencyMs)),
};

export const speedupColumn: Column = {
  header: "vs fp32",
  text: ({ speedup }) => (speedup === undefined ? ABSENT : `${speedup.value.toFixed(2)}×`),
  align: "right",
};

export const fileColumn: Column = {
  header: "file",
  text: ({ record }) => bytesText(record.size?.fileBytes),
  best: ({ best }) => best.size,
  align: "right",
};

/** Of decision trees; shown where a model has some. */
export const treeColumn: Column = {
  header: "nodes (depth)",
  text: ({ record: { compute } }) =>
    compute?.treeNodes === undefined ? ABSENT : `${countText(compute.treeNodes)} (${compute.treeDepth ?? 0})`,
  align: "right",
};

export const memoryColumn: Column = { header: "memory", text: ({ record }) => bytesText(modelMemory(record)), align: "right" };

export const accuracyColumn: Column = { header: "accuracy", text: accuracyText, best: ({ best }) => best.accuracy, align: "right" };

export const parityColumn: Column = { header: "parity", text: parityText, align: "left" };

/** Shown where there is room, the first ones first. */
export const EXTRA_COLUMNS: readonly Column[] = [
  { header: "brotli", text: ({ record }) => bytesText(record.size?.brotliBytes), align: "right" },
  {
    header: "first ms",
    text: ({ record }) => (record.coldMs?.first === undefined ? ABSENT : significant(record.coldMs.first)),
    align: "right",
  },
  { header: "MACs", text: ({ record }) => countText(record.compute?.effectiveMacs), align: "right" },
  { header: "RSS", text: ({ record }) => bytesText(record.memoryBytes?.rssPeak), align: "right" },
];

function intervalText(latency: Latency): string {
  const { median, ci95, n } = latency;
  return ci95 === undefined
    ? `${significant(median)} (n=${n})`
    : `${significant(median)} (${significant(ci95[0])}–${significant(ci95[1])})`;
}

function plusMinusText(latency: Latency): string {
  const half = halfWidth(latency);
  if (half === undefined || latency.median === 0) return `${significant(latency.median)} (n=${latency.n})`;
  return `${significant(latency.median)} ±${Math.ceil((half / latency.median) * 100)} %`;
}

function accuracyText({ record: { accuracy }, sampled }: RecordView): string {
  if (accuracy === undefined) return ABSENT;
  const delta = accuracy.delta === undefined ? "" : ` (${pointsText(accuracy.delta)})`;
  return `${percentText(accuracy.value)}${sampled ? MARKS.sampled : ""}${delta}`;
}

function parityText({ record: { parity } }: RecordView): string {
  if (parity === undefined) return ABSENT;
  if (!parity.pass) return "FAIL";
  if (parity.exact) return "exact";
  return parity.maxAbsError === undefined ? "pass" : `≤${parity.maxAbsError.toExponential(0).replace("e+", "e")}`;
}
