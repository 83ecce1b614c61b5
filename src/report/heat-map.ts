/** A heat map as SVG that needs nothing else: panels of rows and columns, each cell with its number and, on hovering, its details. */

export interface HeatCell {
  readonly text: string;
  /** Colour of the cell; absent: there is nothing to show. */
  readonly fill?: string;
  /** In italics: the number does not differ from none. */
  readonly faint?: boolean;
  readonly details: string;
}

export interface HeatPanel {
  readonly title: string;
  /** Colours from one end to the other, each with what it begins at. */
  readonly legend: readonly { readonly fill: string; readonly text: string }[];
  /** By row, then column. */
  readonly cells: readonly (readonly HeatCell[])[];
}

export interface HeatMap {
  readonly title: string;
  readonly subtitle: string;
  readonly rows: readonly { readonly label: string; readonly details: string }[];
  /** Columns of one group stand together under its name. */
  readonly columns: readonly { readonly label: string; readonly group: string }[];
  readonly panels: readonly HeatPanel[];
  /** Below everything, a line each. */
  readonly notes: readonly string[];
}

const CELL = { width: 54, height: 22 } as const;
const GROUP_GAP = 10;
const MARGIN = 16;
const HEAD = { title: 26, subtitle: 20 } as const;
const PANEL = { title: 24, group: 18, label: 16, legend: 30, gap: 22 } as const;
const LONGEST_LABEL = 34;
const CHARACTER = 6.6;

const STYLE = [
  "text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}",
  ".h{font-size:17px;font-weight:600}",
  ".s,.k{fill:#57606a}",
  ".p{font-size:13px;font-weight:600}",
  ".c{text-anchor:middle;font-variant-numeric:tabular-nums;font-size:11px}",
  ".g{text-anchor:middle;font-weight:600;fill:#57606a;font-size:11px}",
  ".r{text-anchor:end}",
  ".k{font-size:11px}",
  ".f{font-style:italic;opacity:.75}",
].join("");

export function heatMapSvg(map: HeatMap): string {
  const labelWidth = CHARACTER * Math.max(0, ...map.rows.map(({ label }) => Math.min(label.length, LONGEST_LABEL))) + 10;
  const columnLines = map.columns.map(({ label }) => label.split("\n"));
  const labelLines = Math.max(1, ...columnLines.map((lines) => lines.length));
  const left = MARGIN + labelWidth;
  const xs = columnPlaces(map, left);
  const legendWidth = Math.max(0, ...map.panels.map(({ legend }) => legend.length * LEGEND_BOX));
  const gridEnd = (xs.at(-1) ?? left) + CELL.width;
  const textEnd = MARGIN + CHARACTER * Math.max(map.title.length * 1.4, map.subtitle.length, ...map.notes.map((note) => note.length));
  const width = Math.ceil(Math.max(gridEnd, left + legendWidth, textEnd) + MARGIN);

  const parts: string[] = [];
  let y = MARGIN + HEAD.title - 8;
  parts.push(text("h", MARGIN, y, map.title));
  y += HEAD.subtitle;
  parts.push(text("s", MARGIN, y, map.subtitle));
  y += PANEL.gap - 8;
  for (const panel of map.panels) {
    y += PANEL.title;
    parts.push(text("p", MARGIN, y - 6, panel.title));
    y += PANEL.group;
    for (const { name, from, to } of groupsOf(map)) {
      const [begin, end] = [xs[from] ?? left, (xs[to] ?? left) + CELL.width];
      parts.push(text("g", (begin + end) / 2, y - 5, name), `<path d="M${begin} ${y - 1}H${end}" stroke="#d0d7de"/>`);
    }
    columnLines.forEach((lines, c) => {
      lines.forEach((line, l) => parts.push(text("c", (xs[c] ?? 0) + CELL.width / 2, y + PANEL.label * (l + 1) - 3, line)));
    });
    y += PANEL.label * labelLines + 2;
    panel.cells.forEach((row, r) => {
      const { label = "", details = "" } = map.rows[r] ?? {};
      parts.push(titled(text("r", left - 8, y + 15, shortened(label)), details));
      row.forEach((cell, c) => parts.push(drawCell(cell, xs[c] ?? left, y)));
      y += CELL.height;
    });
    panel.legend.forEach(({ fill, text: label }, i) => {
      const x = left + i * LEGEND_BOX;
      parts.push(
        `<rect x="${x}" y="${y + 8}" width="${LEGEND_BOX}" height="8" fill="${fill}" stroke="#d0d7de" stroke-width=".5"/>`,
        text("k", x, y + PANEL.legend, label),
      );
    });
    y += PANEL.legend + PANEL.gap - 8;
  }
  for (const note of map.notes) {
    y += HEAD.subtitle - 2;
    parts.push(text("s", MARGIN, y, note));
  }
  const height = Math.ceil(y + MARGIN);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(map.title)}">`,
    `<style>${STYLE}</style><rect width="${width}" height="${height}" fill="#fff"/>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

const LEGEND_BOX = 62;

/** The same as a page. */
export function heatMapHtml(map: HeatMap): string {
  return [
    '<!doctype html><html lang="en"><meta charset="utf-8">',
    `<title>${escaped(map.title)}</title>`,
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    "<style>body{margin:0;background:#fff}svg{display:block}</style>",
    heatMapSvg(map),
    "</html>\n",
  ].join("\n");
}

/** Left edges of the columns, groups apart. */
function columnPlaces({ columns }: HeatMap, left: number): readonly number[] {
  let x = left;
  return columns.map(({ group }, i) => {
    if (i > 0) x += CELL.width + (columns[i - 1]?.group === group ? 0 : GROUP_GAP);
    return x;
  });
}

function groupsOf({ columns }: HeatMap): readonly { readonly name: string; readonly from: number; readonly to: number }[] {
  const groups: { name: string; from: number; to: number }[] = [];
  columns.forEach(({ group }, i) => {
    const last = groups.at(-1);
    if (last?.name === group && last.to === i - 1) last.to = i;
    else groups.push({ name: group, from: i, to: i });
  });
  return groups;
}

function drawCell({ text: label, fill, faint, details }: HeatCell, x: number, y: number): string {
  const [w, h] = [CELL.width - 1, CELL.height - 1];
  const box = `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="${fill ?? "#f0f1f3"}"/>`;
  const ink = fill === undefined ? "#8c959f" : isDark(fill) ? "#fff" : "#1f2328";
  return titled(box + text(faint === true ? "c f" : "c", x + w / 2, y + 15, label, ink), details);
}

function titled(content: string, details: string): string {
  return `<g><title>${escaped(details)}</title>${content}</g>`;
}

function text(className: string, x: number, y: number, content: string, ink?: string): string {
  return `<text class="${className}" x="${round(x)}" y="${round(y)}"${ink === undefined ? "" : ` style="fill:${ink}"`}>${escaped(content)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** By relative luminance; `fill` is #rrggbb. */
function isDark(fill: string): boolean {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => Number.parseInt(fill.slice(at, at + 2), 16));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b < 120;
}

/** The end of a long name tells it from others. */
function shortened(label: string): string {
  return label.length <= LONGEST_LABEL ? label : `…${label.slice(label.length - LONGEST_LABEL + 1)}`;
}

function escaped(content: string): string {
  return content.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] ?? c);
}
