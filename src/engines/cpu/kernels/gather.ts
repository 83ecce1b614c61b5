/**
 * Copies patches of an image into the panels that the matrix tiles read: [k][4] doubles, one column a row of the left side (float, int16) or
 * a pair of rows (8 bits, see gemm_i8.ts). Whole runs of neighbouring pixels are copied for all rows at once where all lie inside the
 * image, which is nearly everywhere; positions outside give zero.
 */
import type { ConvGeometry, Phase } from "./conv_geometry.ts";
import { HIGH, PANEL_ROWS } from "./gemm_i8.ts";

/** Where the rows of a panel start reading: image × height, top row and left column of the window. */
export interface PanelRows {
  readonly image: Int32Array;
  readonly y: Int32Array;
  readonly x: Int32Array;
}

export function panelRows(): PanelRows {
  return { image: new Int32Array(PANEL_ROWS), y: new Int32Array(PANEL_ROWS), x: new Int32Array(PANEL_ROWS) };
}

/**
 * Finds the windows of `count` neighbouring outputs of a phase.
 * @param first index of the first output, over batch × rows × cols
 * @param offsets receives where each output's channels start, at the group's first channel
 */
function locate(g: ConvGeometry, phase: Phase, group: number, first: number, count: number, at: PanelRows, offsets: Int32Array): void {
  const { rows, cols } = phase;
  let col = first % cols;
  const rest = ((first - col) / cols) | 0;
  let row = rest % rows;
  let image = ((rest - row) / rows) | 0;
  for (let r = 0; r < count; r++) {
    const outY = phase.y0 + row * phase.stepY;
    const outX = phase.x0 + col * phase.stepX;
    offsets[r] = ((image * g.outH + outY) * g.outW + outX) * g.outChannels + group * g.groupOut;
    at.image[r] = image * g.inH;
    at.y[r] = row * phase.inStepY;
    at.x[r] = col * phase.inStepX;
    if (++col === cols) {
      col = 0;
      if (++row === rows) {
        row = 0;
        image++;
      }
    }
  }
}

/** First element of a run for a row, or -1 when any pixel of the run is outside. */
function runStart(g: ConvGeometry, phase: Phase, channel: number, t: number, run: number, at: PanelRows, r: number): number {
  const y = at.y[r]! + phase.dy[t]!;
  const x = at.x[r]! + phase.dx[t]!;
  if (y < 0 || y >= g.inH || x < 0 || x + run > g.inW) return -1;
  return ((at.image[r]! + y) * g.inW + x) * g.channels + channel;
}

/** First element that row r reads from pixel (0, 0) of its window on, when the whole window is inside; else a negative number. */
function windowStart(g: ConvGeometry, phase: Phase, channel: number, at: PanelRows, r: number): number {
  const { top, left, bottom, right } = phase.reach;
  const y = at.y[r]!;
  const x = at.x[r]!;
  if (y + top < 0 || x + left < 0 || y + bottom >= g.inH || x + right >= g.inW) return -1;
  return ((at.image[r]! + y) * g.inW + x) * g.channels + channel;
}

/** Panel of `count` ≤ 4 rows; columns beyond `count` are left as they are. */
export function gatherF32(
  x: Float32Array | Int16Array,
  g: ConvGeometry,
  phase: Phase,
  group: number,
  first: number,
  count: number,
  panel: Float64Array,
  at: PanelRows,
  offsets: Int32Array,
): void {
  locate(g, phase, group, first, count, at, offsets);
  const { run } = phase;
  const taps = phase.tap.length;
  const channel = group * g.groupIn;
  const pixel = g.groupIn * 4;
  if (count === 4) {
    const w0 = windowStart(g, phase, channel, at, 0);
    const w1 = windowStart(g, phase, channel, at, 1);
    const w2 = windowStart(g, phase, channel, at, 2);
    const w3 = windowStart(g, phase, channel, at, 3);
    if (w0 >= 0 && w1 >= 0 && w2 >= 0 && w3 >= 0) {
      const length = run * g.groupIn;
      const { tapOffset } = phase;
      for (let t = 0, to = 0; t < taps; t += run, to += run * pixel) {
        const offset = tapOffset[t]!;
        copyFour(x, w0 + offset, w1 + offset, w2 + offset, w3 + offset, length, panel, to);
      }
      return;
    }
  }
  for (let t = 0, to = 0; t < taps; t += run, to += run * pixel) {
    for (let r = 0; r < count; r++) {
      const start = runStart(g, phase, channel, t, run, at, r);
      if (start >= 0) copyOne(x, start, run * g.groupIn, panel, to + r);
      else for (let u = 0; u < run; u++) copyOne(x, runStart(g, phase, channel, t + u, 1, at, r), g.groupIn, panel, to + u * pixel + r);
    }
  }
}

function copyFour(
  x: Float32Array | Int16Array,
  f0: number,
  f1: number,
  f2: number,
  f3: number,
  length: number,
  panel: Float64Array,
  start: number,
): void {
  for (let c = 0, to = start; c < length; c++, to += 4) {
    panel[to] = x[f0 + c]!;
    panel[to + 1] = x[f1 + c]!;
    panel[to + 2] = x[f2 + c]!;
    panel[to + 3] = x[f3 + c]!;
  }
}

function copyOne(x: Float32Array | Int16Array, from: number, length: number, panel: Float64Array, start: number): void {
  if (from < 0) for (let c = 0, to = start; c < length; c++, to += 4) panel[to] = 0;
  else for (let c = 0, to = start; c < length; c++, to += 4) panel[to] = x[from + c]!;
}

/**
 * Panel of `count` ≤ 8 rows as pairs, the zero point taken away; pairs beyond `count` are left as they are.
 * @param rowSums receives Σ_k of each row when `withSums`
 */
export function gatherI8(
  x: Int8Array | Uint8Array,
  zeroPoint: number,
  g: ConvGeometry,
  phase: Phase,
  group: number,
  first: number,
  count: number,
  panel: Float64Array,
  at: PanelRows,
  offsets: Int32Array,
  rowSums: Int32Array,
  withSums: boolean,
): void {
  locate(g, phase, group, first, count, at, offsets);
  const { run } = phase;
  const taps = phase.tap.length;
  const channel = group * g.groupIn;
  const pixel = g.groupIn * 4;
  for (let pair = 0; pair * 2 < count; pair++) {
    const low = pair * 2;
    const high = low + 1 < count ? low + 1 : -1;
    const w0 = windowStart(g, phase, channel, at, low);
    const w1 = high < 0 ? -1 : windowStart(g, phase, channel, at, high);
    if (w0 >= 0 && w1 >= 0) {
      const length = run * g.groupIn;
      const { tapOffset } = phase;
      for (let t = 0, to = pair; t < taps; t += run, to += run * pixel) {
        copyPair(x, zeroPoint, w0 + tapOffset[t]!, w1 + tapOffset[t]!, length, panel, to);
      }
      continue;
    }
    for (let t = 0, to = pair; t < taps; t += run, to += run * pixel) {
      const f0 = runStart(g, phase, channel, t, run, at, low);
      const f1 = high < 0 ? -1 : runStart(g, phase, channel, t, run, at, high);
      if (f0 >= 0 && f1 >= 0) {
        copyPair(x, zeroPoint, f0, f1, run * g.groupIn, panel, to);
        continue;
      }
      for (let u = 0; u < run; u++) {
        const edge0 = runStart(g, phase, channel, t + u, 1, at, low);
        const edge1 = high < 0 ? -1 : runStart(g, phase, channel, t + u, 1, at, high);
        copyPair(x, zeroPoint, edge0, edge1, g.groupIn, panel, to + u * pixel);
      }
    }
  }
  if (withSums) sumRows(x, zeroPoint, g, phase, channel, count, at, rowSums);
}

/** A negative start stands for zeros. */
function copyPair(
  x: Int8Array | Uint8Array,
  zeroPoint: number,
  f0: number,
  f1: number,
  length: number,
  panel: Float64Array,
  start: number,
): void {
  if (f0 >= 0 && f1 >= 0)
    for (let c = 0, to = start; c < length; c++, to += 4) panel[to] = x[f0 + c]! - zeroPoint + (x[f1 + c]! - zeroPoint) * HIGH;
  else if (f0 >= 0) for (let c = 0, to = start; c < length; c++, to += 4) panel[to] = x[f0 + c]! - zeroPoint;
  else if (f1 >= 0) for (let c = 0, to = start; c < length; c++, to += 4) panel[to] = (x[f1 + c]! - zeroPoint) * HIGH;
  else for (let c = 0, to = start; c < length; c++, to += 4) panel[to] = 0;
}

function sumRows(
  x: Int8Array | Uint8Array,
  zeroPoint: number,
  g: ConvGeometry,
  phase: Phase,
  channel: number,
  count: number,
  at: PanelRows,
  rowSums: Int32Array,
): void {
  for (let r = 0; r < count; r++) {
    let sum = 0;
    for (let t = 0; t < phase.tap.length; t++) {
      const from = runStart(g, phase, channel, t, 1, at, r);
      if (from >= 0) for (let c = 0; c < g.groupIn; c++) sum += x[from + c]! - zeroPoint;
    }
    rowSums[r] = sum;
  }
}
