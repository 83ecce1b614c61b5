/** A plain table for the terminal: a line above, below and under the heads; the last row, where it holds totals, in bold. */
import Table from "cli-table3";
import pc from "picocolors";

export type Align = "left" | "right";
export type Head = readonly [text: string, align: Align];

export function drawTable(
  heads: readonly Head[],
  rows: readonly (readonly string[])[],
  colour: boolean,
  { lastIsTotal = true }: { readonly lastIsTotal?: boolean } = {},
): string {
  const { dim, bold } = pc.createColors(colour);
  const line = dim("─");
  const none = {
    "top-left": "",
    "top-right": "",
    "left-mid": "",
    "right-mid": "",
    "bottom-left": "",
    "bottom-right": "",
    left: "",
    right: "",
  };
  const table = new Table({
    head: heads.map(([text]) => dim(text)),
    colAligns: heads.map(([, align]) => align),
    style: { head: [], border: [], compact: true, "padding-left": 0, "padding-right": 1 },
    chars: { ...none, top: line, "top-mid": line, mid: line, "mid-mid": line, bottom: line, "bottom-mid": line, middle: " " },
  });
  rows.forEach((row, i) =>
    table.push(lastIsTotal && i === rows.length - 1 ? row.map((text) => (text === "" ? "" : bold(text))) : [...row]),
  );
  return table.toString().replace(/ +$/gm, "");
}
