/** The table of importable ops: `Op` for ONNX's own domain, `domain/Op` for others. */
import { DYNAMIC_IMPORTERS } from "./dynamic.ts";
import { ELEMENTWISE_OPS } from "./elementwise.ts";
import { INT4_OPS } from "./int4.ts";
import type { OpImporter } from "./importer.ts";
import { MATRIX_OPS } from "./matrix.ts";
import { QUANTIZED_OPS } from "./quantized.ts";
import { RESIZE_OPS } from "./resize.ts";
import { SHAPE_OPS } from "./shapes.ts";
import { SPATIAL_OPS } from "./spatial.ts";
import { TREE_OPS } from "./trees.ts";

const IMPORTERS: ReadonlyMap<string, OpImporter> = new Map([
  ...DYNAMIC_IMPORTERS,
  ...ELEMENTWISE_OPS,
  ...INT4_OPS,
  ...MATRIX_OPS,
  ...QUANTIZED_OPS,
  ...RESIZE_OPS,
  ...SHAPE_OPS,
  ...SPATIAL_OPS,
  ...TREE_OPS,
]);

/** @param domain `ai.onnx` for the default one */
export function importerOf(domain: string, op: string): OpImporter | undefined {
  return IMPORTERS.get(domain === "ai.onnx" ? op : `${domain}/${op}`);
}
