/** One line a record, RFC 4180: CRLF, quotes where needed, an empty field for what was not measured. Units are in the column names. */
import type { CompareRow, MetricVerdict } from "../results/compare.ts";
import type { Result } from "../results/schema.ts";
import type { Exporter } from "./exporter.ts";
import { modelMemory, modelViews } from "./view.ts";
import type { RecordView } from "./view.ts";

type Cell = string | number | boolean | undefined;

const COLUMNS: readonly (readonly [string, (view: RecordView, result: Result) => Cell])[] = [
  ["createdAt", (_, result) => result.createdAt],
  ["model", ({ record }) => record.model],
  ["recipe", ({ record }) => record.recipe],
  ["target", ({ record }) => record.target],
  ["status", ({ record }) => record.status],
  ["reasonCode", ({ record }) => (record.status === "ok" ? undefined : record.reason.code)],
  ["reasonMessage", ({ record }) => (record.status === "ok" ? undefined : record.reason.message)],
  ["latencyMedianMs", ({ record }) => record.latencyMs?.median],
  ["processes", ({ record }) => record.latencyMs?.processes?.length],
  ["latencyLowMs", ({ record }) => record.latencyMs?.ci95?.[0]],
  ["latencyHighMs", ({ record }) => record.latencyMs?.ci95?.[1]],
  ["latencySamples", ({ record }) => record.latencyMs?.n],
  ["latencyP90Ms", ({ record }) => record.latencyMs?.p90],
  ["latencyP99Ms", ({ record }) => record.latencyMs?.p99],
  ["speedup", ({ speedup }) => speedup?.value],
  ["throughputPerSecond", ({ record }) => record.throughputPerSecond],
  ["coldLoadMs", ({ record }) => record.coldMs?.load],
  ["coldCompileMs", ({ record }) => record.coldMs?.compile],
  ["coldFirstMs", ({ record }) => record.coldMs?.first],
  ["fileBytes", ({ record }) => record.size?.fileBytes],
  ["gzipBytes", ({ record }) => record.size?.gzipBytes],
  ["brotliBytes", ({ record }) => record.size?.brotliBytes],
  ["slimBytes", ({ record }) => record.size?.slimBytes],
  ["params", ({ record }) => record.size?.params],
  ["nonzeroParams", ({ record }) => record.size?.nonzeroParams],
  ["macs", ({ record }) => record.compute?.macs],
  ["effectiveMacs", ({ record }) => record.compute?.effectiveMacs],
  ["treeNodes", ({ record }) => record.compute?.treeNodes],
  ["treeDepth", ({ record }) => record.compute?.treeDepth],
  ["memoryModelBytes", ({ record }) => modelMemory(record)],
  ["memoryWeightsBytes", ({ record }) => record.memoryBytes?.weights],
  ["memoryActivationsPeakBytes", ({ record }) => record.memoryBytes?.activationsPeak],
  ["memoryGpuPeakBytes", ({ record }) => record.memoryBytes?.gpuPeak],
  ["memoryWasmBytes", ({ record }) => record.memoryBytes?.wasm],
  ["memoryRssPeakBytes", ({ record }) => record.memoryBytes?.rssPeak],
  ["accuracyMetric", ({ record }) => record.accuracy?.metric],
  ["accuracy", ({ record }) => record.accuracy?.value],
  ["accuracySamples", ({ record }) => record.accuracy?.n],
  ["accuracyDelta", ({ record }) => record.accuracy?.delta],
  ["accuracyDeltaLow", ({ record }) => record.accuracy?.deltaCi95?.[0]],
  ["accuracyDeltaHigh", ({ record }) => record.accuracy?.deltaCi95?.[1]],
  ["parityPass", ({ record }) => record.parity?.pass],
  ["parityExact", ({ record }) => record.parity?.exact],
  ["parityMaxAbsError", ({ record }) => record.parity?.maxAbsError],
  ["layerShape", ({ record }) => record.rates?.shape],
  ["layerOf", ({ record }) => record.rates?.layer],
  ["denseGops", ({ record }) => record.rates?.denseGops],
  ["nonzeroGops", ({ record }) => record.rates?.nonzeroGops],
  ["peakGops", ({ record }) => record.rates?.peakGops],
  ["peakShare", ({ record }) => record.rates?.peakShare],
  ["adapter", ({ record }) => record.device?.adapter],
  ["softwareGpu", ({ record }) => record.device?.software],
  ["warnings", ({ record }) => record.warnings?.map((warning) => warning.key).join(" ")],
];

const METRICS = ["latency", "size", "accuracy", "parity"] as const;
const METRIC_FIELDS = ["verdict", "base", "current", "change", "note"] as const;

export const csvExporter: Exporter = {
  name: "csv",
  results(results) {
    const lines: (readonly Cell[])[] = [COLUMNS.map(([name]) => name)];
    for (const result of results) {
      for (const { records } of modelViews(result.records)) {
        for (const view of records) lines.push(COLUMNS.map(([, cell]) => cell(view, result)));
      }
    }
    return csvText(lines);
  },
  comparison({ differences, rows }) {
    if (differences.length > 0)
      return csvText([["difference", "base", "current"], ...differences.map(({ what, base, current }) => [what, base, current])]);
    const names = METRICS.flatMap((metric) => METRIC_FIELDS.map((field) => `${metric}${field.charAt(0).toUpperCase()}${field.slice(1)}`));
    return csvText([["model", "recipe", "target", "verdict", "note", ...names], ...rows.map(comparisonLine)]);
  },
};

function comparisonLine(row: CompareRow): readonly Cell[] {
  const metric = (verdict: MetricVerdict | undefined): Cell[] => METRIC_FIELDS.map((field) => verdict?.[field]);
  return [row.model, row.recipe, row.target, row.verdict, row.note, ...METRICS.flatMap((name) => metric(row[name]))];
}

function csvText(lines: readonly (readonly Cell[])[]): string {
  return lines.map((cells) => `${cells.map(csvField).join(",")}\r\n`).join("");
}

function csvField(cell: Cell): string {
  const text = cell === undefined ? "" : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
