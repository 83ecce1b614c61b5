/**
 * Weights that skip their zeros. `block8`: eight neighbouring output channels share one list of input positions, the dense tile with
 * an index in place of the increment; `block4`: four do. `csr`: one list per output channel. Both are chosen by what the data holds, never by a promise,
 * and give the dense result: the same products in the same order, less those with a zero.
 */
import type { SparsePolicy } from "./shared.ts";

/** Output channels that share a list. */
export type BlockWidth = 8 | 4;
export type SparseLayout = "dense" | "block8" | "block4" | "csr";

/** A matrix [n][k] in row-major order from `offset`. */
export interface MatrixView<T extends Float32Array | Int8Array> {
  readonly data: T;
  readonly offset: number;
  readonly n: number;
  readonly k: number;
}

/** Two bytes each unless the panel is longer than that reaches. */
export type Positions = Uint16Array | Int32Array;

function createPositions(k: number, length: number): Positions {
  return k * 4 <= 65536 ? new Uint16Array(length) : new Int32Array(length);
}

export interface Blocks<T extends Float32Array | Int8Array> {
  readonly kind: "blocks";
  readonly width: BlockWidth;
  readonly n: number;
  readonly k: number;
  /** [ceil(n/width) + 1] first entry of each block row */
  readonly starts: Int32Array;
  /** Input position × 4: an offset into a panel [k][4]. */
  readonly positions: Positions;
  /** [entries][width], zero beyond n */
  readonly values: T;
}

export interface Csr<T extends Float32Array | Int8Array> {
  readonly kind: "csr";
  readonly n: number;
  readonly k: number;
  /** [n + 1] */
  readonly starts: Int32Array;
  /** Input position × 4. */
  readonly positions: Positions;
  /** [entries] */
  readonly values: T;
}

/**
 * Time of one stored value relative to one value of the dense tile: the shared index of a block costs little; a list per channel re-reads
 * its panel rows for each value, and with fewer than four rows nothing shares them. Measured on Node 20 at 256 pixels × 256 × 256, at
 * 3×3 × 64 × 64 and at one row × 400 × 128, float and int8 alike: dense breaks even at 13 to 16 % zeros in blocks, and at 36 % (one
 * row: 48 %) zeros anywhere.
 */
const BLOCK_COST = 1.15;
const CSR_COST = 1.55;
const CSR_COST_FEW_ROWS = 1.95;
/** Lists of 4 channels must skip at least so much more than lists of 8. */
const WORTH_MORE_LISTS = 0.97;
/** Share of zeros below which a layer counts as dense. */
const MIN_ZEROS = 0.1;
/** Share of zeros from which lists per channel are considered: there they also take less memory than dense float weights. */
const MIN_CSR_ZEROS = 0.55;

/**
 * The layout that should run fastest for these matrices together (the groups of a convolution share one choice).
 * @param rows of the left side: output pixels, or samples of a dense layer
 */
export function chooseLayout<T extends Float32Array | Int8Array>(
  matrices: readonly MatrixView<T>[],
  rows: number,
  policy: SparsePolicy,
): SparseLayout {
  if (policy === "off") return "dense";
  if (policy === "block8" || policy === "block4" || policy === "csr") return policy;
  let total = 0;
  let nonzeros = 0;
  let denseCost = 0;
  const costs = { block8: 0, block4: 0 };
  for (const { data, offset, n, k } of matrices) {
    total += n * k;
    // All tiles are four columns wide, so one that is not full costs as much as one that is.
    for (let first = 0; first < n; first += 8) {
      const tiles = n - first > 4 ? 2 : 1;
      denseCost += 4 * tiles * k;
      for (let i = 0; i < k; i++) {
        const left = nonzerosOf(data, offset + first * k + i, k, Math.min(4, n - first));
        const right = nonzerosOf(data, offset + (first + 4) * k + i, k, Math.min(4, n - first - 4));
        nonzeros += left + right;
        costs.block4 += 4 * ((left > 0 ? 1 : 0) + (right > 0 ? 1 : 0)) * BLOCK_COST;
        if (left + right > 0) costs.block8 += 4 * tiles * BLOCK_COST;
      }
    }
  }
  // Fewer lists take less memory, and as long.
  const blocks = costs.block4 < costs.block8 * WORTH_MORE_LISTS ? "block4" : "block8";
  const listCost = nonzeros * (rows < 4 ? CSR_COST_FEW_ROWS : CSR_COST);
  if (policy === "on") return nonzeros === total ? "dense" : costs[blocks] <= listCost ? blocks : "csr";
  // Chance zeros of an unpruned layer are not sparsity, even where a list would beat a tile that is mostly padding.
  if (total - nonzeros < MIN_ZEROS * total) return "dense";
  const csrCost = total - nonzeros < MIN_CSR_ZEROS * total ? Infinity : listCost;
  if (denseCost <= Math.min(costs[blocks], csrCost)) return "dense";
  return costs[blocks] <= csrCost ? blocks : "csr";
}

/** Of `count` values, `step` apart. */
function nonzerosOf(data: Float32Array | Int8Array, first: number, step: number, count: number): number {
  let used = 0;
  for (let j = 0; j < count; j++) if (data[first + j * step] !== 0) used++;
  return used;
}

export function packBlocks<T extends Float32Array | Int8Array>(
  matrix: MatrixView<T>,
  width: BlockWidth,
  create: (length: number) => T,
): Blocks<T> {
  const { data, offset, n, k } = matrix;
  const rows = Math.ceil(n / width);
  const starts = new Int32Array(rows + 1);
  const positions: number[] = [];
  for (let row = 0; row < rows; row++) {
    const count = Math.min(width, n - row * width);
    for (let i = 0; i < k; i++) if (nonzerosOf(data, offset + row * width * k + i, k, count) > 0) positions.push(i * 4);
    starts[row + 1] = positions.length;
  }
  const packed = createPositions(k, positions.length);
  packed.set(positions);
  const values = create(positions.length * width);
  for (let row = 0; row < rows; row++) {
    const last = Math.min((row + 1) * width, n);
    for (let e = starts[row]!; e < starts[row + 1]!; e++) {
      for (let j = row * width; j < last; j++) values[e * width + (j - row * width)] = data[offset + j * k + positions[e]! / 4]!;
    }
  }
  return { kind: "blocks", width, n, k, starts, positions: packed, values };
}

export function packCsr<T extends Float32Array | Int8Array>(matrix: MatrixView<T>, create: (length: number) => T): Csr<T> {
  const { data, offset, n, k } = matrix;
  const starts = new Int32Array(n + 1);
  for (let j = 0; j < n; j++) {
    let used = 0;
    for (let i = 0; i < k; i++) if (data[offset + j * k + i] !== 0) used++;
    starts[j + 1] = starts[j]! + used;
  }
  const positions = createPositions(k, starts[n]!);
  const values = create(starts[n]!);
  let at = 0;
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < k; i++) {
      const v = data[offset + j * k + i]!;
      if (v === 0) continue;
      positions[at] = i * 4;
      values[at] = v;
      at++;
    }
  }
  return { kind: "csr", n, k, starts, positions, values };
}

/** Bytes of a packed sparse matrix, indices included. */
export function sparseBytes(matrix: Blocks<Float32Array | Int8Array> | Csr<Float32Array | Int8Array>): number {
  return matrix.starts.byteLength + matrix.positions.byteLength + matrix.values.byteLength;
}
