/**
 * 8-bit candidates that skip zeros in blocks of eight output channels: one input position each (1×8), multiplied one by one or gathered into
 * words for dot products, or four consecutive ones (4×8), which are a word as they lie.
 */
import { invariant } from "../../../../errors.ts";
import { packDotLists, packLists } from "../../pack-sparse.ts";
import type { Lists } from "../../pack-sparse.ts";
import type { Candidate } from "../candidates.ts";
import { gemmParams } from "../problem.ts";
import type { GemmProblem } from "../problem.ts";
import { BLOCKS_4X8, LISTS_1X8, sparseEstimate, sparseRows, sparseThreads } from "../sparse.ts";
import type { Granularity, SparseCost, SparseRows } from "../sparse.ts";
import { columnsOperand } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

type Dot = "native" | "unpack";

interface Kind {
  readonly name: string;
  readonly granularity: Granularity;
  /** Absent: products one by one. */
  readonly dot?: Dot;
  readonly cost: Readonly<Record<SparseRows, SparseCost>>;
}

/**
 * Costs relative to the direct kernel with the built-in dot product, from processor times of interleaved runs on SwiftShader 5.0 (Dawn,
 * 2026-11-24), 192×256×256 and 1×512×512 at 50 and 80 % zeros. 1×8 one by one: 0.87 and 0.43 on the first; by dot products 1.04 and 0.52;
 * 4×8: 0.53 and 0.3. Dense takes 0.5 with products in float32.
 */
const KINDS: readonly Kind[] = [
  { name: "block1x8", granularity: LISTS_1X8, cost: { 4: { each: 1.45, list: 36 }, 1: { each: 1.9, list: 50 } } },
  { name: "block1x8_dot4", granularity: LISTS_1X8, dot: "native", cost: { 4: { each: 1.75, list: 40 }, 1: { each: 2, list: 50 } } },
  { name: "block1x8_unpack", granularity: LISTS_1X8, dot: "unpack", cost: { 4: { each: 1.9, list: 40 }, 1: { each: 2.4, list: 50 } } },
  { name: "block4x8_dot4", granularity: BLOCKS_4X8, dot: "native", cost: { 4: { each: 0.8, list: 35 }, 1: { each: 0.95, list: 40 } } },
  { name: "block4x8_unpack", granularity: BLOCKS_4X8, dot: "unpack", cost: { 4: { each: 0.95, list: 35 }, 1: { each: 1.4, list: 40 } } },
];

function blockSparse({ name, granularity, dot, cost }: Kind, rows: SparseRows, conv: boolean): Candidate<IntegerProblem> {
  const kernel = `i8_${conv ? "conv" : "gemm"}_${name}_${rows}x8__wgsl`;
  // Units of four are read as words, single positions as bytes.
  const bytesPerUnit = granularity.list.unit === 4 ? 1 : 4;
  return {
    kernel,
    requires: dot === "native" ? ["dot4"] : [],
    sparse: true,
    ...(dot && { dot4: dot }),
    estimate({ gemm }, facts) {
      return gemm?.conv === conv && sparseRows(gemm) === rows ? sparseEstimate(gemm, granularity, cost[rows], facts) : undefined;
    },
    lower(c, problem) {
      const { gemm, finish, out } = problem;
      invariant(gemm !== undefined, "lowering of a problem that was not estimated");
      const { values, starts, positions } = pack(gemm, granularity, dot);
      c.flat({
        kernel,
        params: gemmParams(gemm, undefined, finish, bytesPerUnit),
        inputs: [
          problem.input(c),
          c.constant("weights", values),
          columnsOperand(c, gemm, problem, 8),
          c.constant("starts", starts),
          c.constant("positions", positions),
        ],
        output: out,
        threads: sparseThreads(gemm, rows),
        z: gemm.shape.groups,
      });
    },
  };
}

function pack(
  { shape, weight, position }: GemmProblem,
  { list }: Granularity,
  dot: Dot | undefined,
): Lists & { readonly values: Uint32Array } {
  const packed =
    dot === undefined ? packLists(shape, weight, position, list, (n) => new Int8Array(n)) : packDotLists(shape, weight, position, list);
  invariant(packed !== undefined, "lowering of weights that were not estimated");
  const { values } = packed;
  return { ...packed, values: values instanceof Int8Array ? new Uint32Array(values.buffer) : values };
}

export const BLOCK_SPARSE_I8: readonly Candidate<IntegerProblem>[] = KINDS.flatMap((kind) =>
  ([4, 1] as const).flatMap((rows) => [false, true].map((conv) => blockSparse(kind, rows, conv))),
);
