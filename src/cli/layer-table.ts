/** Tables of a graph's layers, for `inspect` (one graph) and `compress` (before and after). */
import type { ModelSize } from "../compress/size.ts";
import type { GraphStats, GraphTotals, LayerStats } from "../compress/stats.ts";
import { ABSENT, bytesText, countText, grouped } from "../report/format.ts";
import { drawTable } from "./plain-table.ts";
import type { Head } from "./plain-table.ts";

/** Every node of a graph, then the totals. */
export function layerTable({ layers, totals }: GraphStats, colour: boolean): string {
  const heads: readonly Head[] = [
    ["layer", "left"],
    ["op", "left"],
    ["output", "left"],
    ["weights", "left"],
    ["params", "right"],
    ["MACs", "right"],
    ["effective", "right"],
    ["sparsity", "right"],
    ["distinct", "right"],
    ["bits", "right"],
  ];
  const rows = layers.map((layer) => [
    layer.node,
    layer.op,
    layer.output,
    layer.weight === undefined ? ABSENT : `[${layer.weight.shape.join(", ")}]`,
    layer.params === 0 ? ABSENT : grouped(layer.params),
    layer.macs === 0 ? ABSENT : countText(layer.macs),
    layer.macs === 0 ? ABSENT : countText(layer.effectiveMacs),
    sparsityText(layer),
    layer.weight === undefined ? ABSENT : grouped(layer.weight.distinct),
    layer.weight === undefined ? ABSENT : String(layer.weight.bits),
  ]);
  const sparsity = totals.params === 0 ? ABSENT : shareText(1 - totals.nonzeroParams / totals.params);
  rows.push([
    "total",
    "",
    "",
    bytesText(totals.weightBytes),
    grouped(totals.params),
    countText(totals.macs),
    countText(totals.effectiveMacs),
    sparsity,
    "",
    "",
  ]);
  return drawTable(heads, rows, colour);
}

/** The layers with weights, each number before and after, then totals and file sizes. */
export function beforeAfterTable(
  before: GraphStats,
  after: GraphStats,
  sizes: { readonly before: ModelSize; readonly after: ModelSize },
  colour: boolean,
): string {
  const heads: readonly Head[] = [
    ["layer", "left"],
    ["op", "left"],
    ["params", "right"],
    ["non-zero", "right"],
    ["bytes", "right"],
    ["MACs", "right"],
    ["effective MACs", "right"],
    ["distinct", "right"],
    ["bits", "right"],
  ];
  const originals = new Map(before.layers.map((layer) => [layer.node, layer]));
  const rows: string[][] = [];
  for (const layer of after.layers) {
    const original = originals.get(layer.node);
    if (layer.weight === undefined || original?.weight === undefined) continue;
    rows.push([
      layer.node,
      layer.op,
      ...amounts(original, layer),
      change(grouped(original.weight.distinct), grouped(layer.weight.distinct)),
      change(String(original.weight.bits), String(layer.weight.bits)),
    ]);
  }
  rows.push(["total", "", ...amounts(before.totals, after.totals), "", ""]);
  const size = (label: string, key: "weightBytes" | "fileBytes" | "gzipBytes" | "brotliBytes" | "slimBytes"): string => {
    const [a, b] = [sizes.before[key], sizes.after[key]];
    return `${label} ${change(bytesText(a), bytesText(b))}${a <= b || b === 0 ? "" : ` (${(a / b).toFixed(2)}× smaller)`}`;
  };
  const lines = [
    size("weights", "weightBytes"),
    size("file", "fileBytes"),
    size("gzip", "gzipBytes"),
    size("brotli", "brotliBytes"),
    size("slim", "slimBytes"),
  ];
  return `${drawTable(heads, rows, colour)}\n${lines.join("\n")}`;
}

/** Parameters, those that are not zero, their bytes, multiply-accumulates and those with a weight that is not zero. */
function amounts(before: GraphTotals, after: GraphTotals): readonly string[] {
  return [
    change(grouped(before.params), grouped(after.params)),
    change(grouped(before.nonzeroParams), grouped(after.nonzeroParams)),
    change(bytesText(before.weightBytes), bytesText(after.weightBytes)),
    change(countText(before.macs), countText(after.macs)),
    change(countText(before.effectiveMacs), countText(after.effectiveMacs)),
  ];
}

function sparsityText({ weight }: LayerStats): string {
  return weight === undefined ? ABSENT : shareText(weight.sparsity);
}

function shareText(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function change(before: string, after: string): string {
  return before === after ? before : `${before} → ${after}`;
}
