/** Small data for trees. */
import { makeColumns, type Columns } from "../../../src/compress/trees/columns.ts";
import { growForest, type ForestSettings } from "../../../src/compress/trees/forest.ts";
import type { Trees } from "../../../src/graph/tree.ts";

/** One feature 0..9; grown by scikit-learn 1.9.1 (gini) to 11 nodes. */
export const TEN = { rows: Array.from({ length: 10 }, (_, i) => [i]), labels: [0, 0, 0, 1, 0, 1, 1, 1, 0, 1] };

export function columnsOf(rows: readonly (readonly number[])[]): Columns {
  return makeColumns(rows.length, rows[0]!.length, (i) => rows[i]!);
}

export function grow(
  rows: readonly (readonly number[])[],
  labels: readonly number[],
  classes: number,
  settings: Partial<ForestSettings> = {},
): Trees {
  return growForest(columnsOf(rows), labels, classes, { criterion: classes === 0 ? "mse" : "gini", trees: 1, seed: 1, ...settings });
}
