/** How big a compressed model is: as numbers, as a file, and as that file packed for the network. */
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { exportSlim } from "../formats/slim/export.ts";
import type { Graph } from "../graph/ir.ts";
import { graphStats } from "./stats.ts";

/** As in the `size` block of a record. */
export interface ModelSize {
  readonly params: number;
  readonly nonzeroParams: number;
  readonly fileBytes: number;
  /** gzip -9 */
  readonly gzipBytes: number;
  /** brotli at quality 11, the window as large as the file. */
  readonly brotliBytes: number;
  /** As a `.slim` archive that does not say what made it: gap and Huffman coding. */
  readonly slimBytes: number;
  readonly weightBytes: number;
  /** Absent for a model without parameters. */
  readonly bitsPerWeight?: number;
}

const LARGEST_WINDOW = 24;

/** @param file the model as it is written to disk: the exported ONNX file */
export async function modelSize(graph: Graph, file: Uint8Array): Promise<ModelSize> {
  const window = Math.min(LARGEST_WINDOW, Math.max(10, Math.ceil(Math.log2(file.byteLength + 16))));
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: window,
    [constants.BROTLI_PARAM_SIZE_HINT]: file.byteLength,
  };
  const [packed, brotli] = await Promise.all([promisify(gzip)(file, { level: 9 }), promisify(brotliCompress)(file, { params })]);
  const { params: count, nonzeroParams, ...rest } = weightSize(graph);
  return {
    params: count,
    nonzeroParams,
    fileBytes: file.byteLength,
    gzipBytes: packed.byteLength,
    brotliBytes: brotli.byteLength,
    slimBytes: exportSlim(graph).byteLength,
    ...rest,
  };
}

/** The part that needs no file. */
export function weightSize(graph: Graph): Pick<ModelSize, "params" | "nonzeroParams" | "weightBytes" | "bitsPerWeight"> {
  const { params, nonzeroParams, weightBytes } = graphStats(graph).totals;
  return { params, nonzeroParams, weightBytes, ...(params > 0 && { bitsPerWeight: (8 * weightBytes) / params }) };
}
