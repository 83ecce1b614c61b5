/**
 * Weights that skip their zeros. `block8`: eight neighbouring output channels share one list of input positions, the dense tile with
 * an index in place of the increment. `csr`: one list per output channel. Both are chosen by what the data holds, never by a promise,
 * and give the dense result: the same products in the same order, less those with a zero.
 */
import type { SparsePolicy } from "./shared.ts";

export const BLOCK = 8;

/** A matrix [n][k] in row-major order from `offset`. */
export interface MatrixView<T extends Float32Array | Int8Array> {
  readonly data: T;
  readonly offset: number;
  readonly n: number;
  readonly k: number;
}

export interface Block8<T extends Float32Array | Int8Array> {
  readonly kind: "block8";
  readonly n: number;
  readonly k: number;
  /** [ceil(n/8) + 1] first entry of each block row */
  readonly starts: Int32Array;
  /** Input position × 4: an offset into a panel [k][4]. */
  readonly positions: Int32Array;
  /** [entries][8], zero beyond n */
  readonly values: T;
}

export interface Csr<T extends Float32Array | Int8Array> {
  readonly kind: "csr";
  readonly n: number;
  readonly k: number;
  /** [n + 1] */
  readonly starts: Int32Array;
  /** Input position × 4. */
  readonly positions: Int32Array;
  /** [entries] */
  readonly values: T;
}

/**
 * Time of one stored value relative to one value of the dense tile, by layout (Node 20, 256×256×256, interleaved): the shared index
 * costs little; a list per channel re-reads its panel row for each value.
 */
const BLOCK8_COST = 1.15;
const CSR_COST = 2.4;

/** The layout that should run fastest for these matrices together (the groups of a convolution share one choice). */
export function chooseLayout<T extends Float32Array | Int8Array>(
  matrices: readonly MatrixView<T>[],
  policy: SparsePolicy,
): "dense" | "block8" | "csr" {
  if (policy === "off") return "dense";
  if (policy !== "auto") return policy;
  let dense = 0;
  let blocks = 0;
  let nonzeros = 0;
  for (const { data, offset, n, k } of matrices) {
    dense += Math.ceil(n / 4) * 4 * k;
    for (let first = 0; first < n; first += BLOCK) {
      const last = Math.min(first + BLOCK, n);
      for (let i = 0; i < k; i++) {
        let used = 0;
        for (let j = first; j < last; j++) if (data[offset + j * k + i] !== 0) used++;
        nonzeros += used;
        if (used > 0) blocks++;
      }
    }
  }
  const blockCost = blocks * BLOCK * BLOCK8_COST;
  const csrCost = nonzeros * CSR_COST;
  if (dense <= Math.min(blockCost, csrCost)) return "dense";
  return blockCost <= csrCost ? "block8" : "csr";
}

export function packBlock8<T extends Float32Array | Int8Array>(matrix: MatrixView<T>, create: (length: number) => T): Block8<T> {
  const { data, offset, n, k } = matrix;
  const rows = Math.ceil(n / BLOCK);
  const starts = new Int32Array(rows + 1);
  const positions: number[] = [];
  for (let row = 0; row < rows; row++) {
    const last = Math.min((row + 1) * BLOCK, n);
    for (let i = 0; i < k; i++) {
      let used = false;
      for (let j = row * BLOCK; j < last && !used; j++) used = data[offset + j * k + i] !== 0;
      if (used) positions.push(i * 4);
    }
    starts[row + 1] = positions.length;
  }
  const values = create(positions.length * BLOCK);
  for (let row = 0; row < rows; row++) {
    const last = Math.min((row + 1) * BLOCK, n);
    for (let e = starts[row]!; e < starts[row + 1]!; e++) {
      for (let j = row * BLOCK; j < last; j++) values[e * BLOCK + (j - row * BLOCK)] = data[offset + j * k + positions[e]! / 4]!;
    }
  }
  return { kind: "block8", n, k, starts, positions: Int32Array.from(positions), values };
}

export function packCsr<T extends Float32Array | Int8Array>(matrix: MatrixView<T>, create: (length: number) => T): Csr<T> {
  const { data, offset, n, k } = matrix;
  const starts = new Int32Array(n + 1);
  for (let j = 0; j < n; j++) {
    let used = 0;
    for (let i = 0; i < k; i++) if (data[offset + j * k + i] !== 0) used++;
    starts[j + 1] = starts[j]! + used;
  }
  const positions = new Int32Array(starts[n]!);
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
export function sparseBytes(matrix: Block8<Float32Array | Int8Array> | Csr<Float32Array | Int8Array>): number {
  return matrix.starts.byteLength + matrix.positions.byteLength + matrix.values.byteLength;
}
