/** 8-bit candidates that keep weights as 4-bit indices into values of their output channel: GPU memory holds only that. */
import { invariant } from "../../../../errors.ts";
import { codeText } from "../../../../graph/code.ts";
import type { DeviceFacts } from "../../device.ts";
import { packCodebookGemm } from "../../pack-coded-i8.ts";
import type { Candidate } from "../candidates.ts";
import { gemmParams } from "../problem.ts";
import type { GemmProblem } from "../problem.ts";
import { shareCost, shareThreads, tileCost } from "./dense.ts";
import { columnsOperand } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

type Tile = "4x4" | "1x4" | "32x32" | "share_16x16";
type Dot = "native" | "unpack";

/**
 * Time relative to the dense kernel of the same tile: medians of processor times of interleaved runs on SwiftShader 5.0 (Dawn, 2026-11-30),
 * 196×512×512, 784×64×64, 64×128×1152, a 3×3 and a 5×5 convolution, 1×512×512 and 1×1000×1024; with `share` 0.9 to 1.2, in workgroup memory 0.9
 * to 1.25. Values looked up in memory instead of picked from registers: 1.3, 2 and, for one row, 2.5.
 */
const SOFTWARE: Readonly<Record<Tile, number>> = { "4x4": 1.5, "1x4": 1.7, "32x32": 1.1, share_16x16: 1.08 };
/** Hardware: an assumption that tuning measures. A tile decodes each weight once; a row is limited by the bytes it reads. */
const HARDWARE: Readonly<Record<Tile, number>> = { "4x4": 1.3, "1x4": 0.8, "32x32": 1.2, share_16x16: 1.1 };

function costOf(tile: Tile, dot: Dot, gemm: GemmProblem, facts: DeviceFacts): number | undefined {
  const dense = tile === "share_16x16" ? shareCost(gemm, facts) : tileCost(gemm, tile, dot, facts);
  return dense === undefined ? undefined : dense * (facts.software ? SOFTWARE : HARDWARE)[tile];
}

/** @param dot absent: products in float32 */
function coded(tile: Tile, conv: boolean, dot?: Dot): Candidate<IntegerProblem> {
  const pattern = dot === undefined ? tile : `${dot === "native" ? "dot4" : "unpack"}_${tile}`;
  const kernel = `i8_${conv ? "conv" : "gemm"}_codebook4_${pattern}__wgsl`;
  const requires = dot === undefined ? (["subgroups"] as const) : dot === "native" ? (["dot4"] as const) : [];
  return {
    kernel,
    requires,
    ...(tile === "32x32" ? { workgroup: { invocations: 64, storageBytes: 4096 } } : {}),
    sparse: false,
    coded: true,
    ...(dot && { dot4: dot }),
    estimate({ gemm, codebook }, facts) {
      if (codebook === undefined || gemm?.conv !== conv) return undefined;
      const cost = costOf(tile, dot ?? "native", gemm, facts);
      return cost === undefined ? undefined : { cost, why: codeText(codebook) };
    },
    lower(c, problem) {
      const { gemm, codebook, finish, out } = problem;
      invariant(gemm !== undefined && codebook !== undefined, "lowering of a problem that was not estimated");
      const { m, shape } = gemm;
      const { codes, tables, kept } = packCodebookGemm(codebook, shape, gemm.source);
      const base = {
        kernel,
        params: gemmParams(gemm, undefined, finish),
        inputs: [problem.input(c), c.constant("codes", codes), columnsOperand(c, gemm, problem, 4), c.constant("tables", tables)],
        output: out,
        constants: { KEPT: kept },
      };
      const n4 = Math.ceil(shape.groupOut / 4);
      if (tile === "32x32") c.dispatch({ ...base, groups: c.fold(Math.ceil(m / 32) * Math.ceil(n4 / 8), shape.groups) });
      else if (tile === "share_16x16") c.flat({ ...base, threads: shareThreads(gemm), z: shape.groups });
      else c.flat({ ...base, threads: Math.ceil(m / (tile === "4x4" ? 4 : 1)) * n4, z: shape.groups });
    },
  };
}

export const CODED_I8: readonly Candidate<IntegerProblem>[] = [false, true].flatMap((conv) => [
  ...(["native", "unpack"] as const).flatMap((dot) => (["4x4", "1x4", "32x32"] as const).map((tile) => coded(tile, conv, dot))),
  coded("share_16x16", conv),
]);
