/** The results as a table for people, and as result.json for everything else. */
import { ABSENT, bytesText, significant } from "../report/format.ts";
import { modelMemory, modelViews } from "../report/view.ts";
import type { RecordView } from "../report/view.ts";
import type { Result, ResultRecord } from "../results/schema.ts";
import { resultText } from "../results/text.ts";
import { element } from "./elements.ts";

const HEADS = ["Recipe", "Target", "Median, ms", "95 % interval", "Speed-up", "File", "Memory", "Against cpu"] as const;

export function renderTable(records: readonly ResultRecord[], result: Result): readonly HTMLElement[] {
  const table = element("table", {});
  const head = table.createTHead().insertRow();
  for (const text of HEADS) head.append(element("th", { scope: "col", textContent: text }));
  for (const { model, records: views } of modelViews(records)) {
    const body = table.createTBody();
    const title = element("th", { scope: "rowgroup", colSpan: HEADS.length, textContent: model });
    body.insertRow().append(title);
    for (const view of views) body.append(rowOf(view));
  }
  const scroll = element("div", { className: "scroll" });
  scroll.append(table);
  return [scroll, notesOf(records), download(result)];
}

function rowOf({ record, speedup, best, software }: RecordView): HTMLTableRowElement {
  const row = element("tr", {});
  const cell = (text: string, mark = false): void => {
    row.append(element("td", { textContent: text, className: mark ? "best" : "" }));
  };
  row.append(element("th", { scope: "row", textContent: record.recipe }));
  cell(`${record.target}${software ? " (software GPU)" : ""}`);
  if (record.status === "ok") {
    const { median, ci95 } = record.latencyMs;
    cell(significant(median), best.latency);
    cell(ci95 === undefined ? ABSENT : `${significant(ci95[0])} – ${significant(ci95[1])}`);
  } else {
    row.append(element("td", { textContent: record.status, colSpan: 2, className: "bad" }));
  }
  cell(speedup === undefined ? ABSENT : `${speedup.value.toFixed(2)}×`);
  cell(bytesText(record.size?.fileBytes), best.size);
  cell(bytesText(modelMemory(record)));
  cell(parityText(record));
  return row;
}

function parityText({ parity }: ResultRecord): string {
  if (parity === undefined) return ABSENT;
  if (!parity.pass) return "differs";
  return parity.exact ? "exact" : `within ${parity.tolerance.toExponential(0)}`;
}

/** Why rows are missing, and what to know about those that are there. */
function notesOf(records: readonly ResultRecord[]): HTMLElement {
  const list = element("ul", { className: "notes" });
  for (const { model, recipe, target, ...rest } of records) {
    const add = (text: string): void => list.append(element("li", { textContent: `${model} ${recipe} ${target}: ${text}` }));
    if (rest.status !== "ok") add(`${rest.status}: ${rest.reason.message}. ${rest.reason.remedy}`);
    for (const { evidence, next } of rest.warnings ?? []) add(`${evidence}. ${next}`);
  }
  return list;
}

let last: string | undefined;

function download(result: Result): HTMLElement {
  if (last !== undefined) URL.revokeObjectURL(last);
  last = URL.createObjectURL(new Blob([resultText(result)], { type: "application/json" }));
  return element("a", { href: last, download: "result.json", textContent: "Download result.json", className: "download" });
}
