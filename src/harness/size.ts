/** How big a model is: as a file, packed, and in weights; and how much it computes. */
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { graphStats } from "../compress/stats.ts";
import type { Graph } from "../graph/ir.ts";
import type { Compute, Size } from "../results/schema.ts";

const gzipAsync = promisify(gzip);
const brotliAsync = promisify(brotliCompress);

/** @param artifact the model as a file */
export async function sizeOf(graph: Graph, artifact: Uint8Array): Promise<Size> {
  const [gzipped, brotli] = await Promise.all([
    gzipAsync(artifact, { level: 9 }),
    brotliAsync(artifact, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: artifact.length } }),
  ]);
  const { params, nonzeroParams, weightBytes } = graphStats(graph).totals;
  return {
    params,
    nonzeroParams,
    fileBytes: artifact.length,
    gzipBytes: gzipped.length,
    brotliBytes: brotli.length,
    weightBytes,
    ...(params > 0 ? { bitsPerWeight: (8 * weightBytes) / params } : {}),
  };
}

export function computeOf(graph: Graph): Compute {
  const { macs, effectiveMacs } = graphStats(graph).totals;
  return { macs, effectiveMacs };
}
