/** Dense 8-bit candidates: tiles in workgroup memory or in registers, by dot products of four bytes. */
import { invariant } from "../../../../errors.ts";
import type { DeviceFacts } from "../../device.ts";
import type { Candidate } from "../candidates.ts";
import { FEW_ROWS, HARDWARE_QUAD_COST } from "../problem.ts";
import type { GemmProblem } from "../problem.ts";
import { fixedConstants } from "../quantized.ts";
import { denseInputs } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

interface Variant {
  readonly tile: "32x32" | "4x4" | "1x4";
  readonly conv: boolean;
  readonly dot4: "native" | "unpack";
  /** Of layers in fixed point. */
  readonly isFixed?: boolean;
}

function dense({ tile, conv, dot4, isFixed = false }: Variant): Candidate<IntegerProblem> {
  const tiled = tile === "32x32";
  const kernel = `i8_${conv ? "conv" : "gemm"}_${isFixed ? "fixed_" : ""}${dot4 === "native" ? "dot4" : "unpack"}_${tile}__wgsl`;
  return {
    kernel,
    requires: dot4 === "native" ? ["dot4"] : [],
    ...(tiled ? { workgroup: { invocations: 64, storageBytes: 4096 } } : {}),
    sparse: false,
    algorithm: tiled ? "tiled" : "direct",
    dot4,
    estimate({ gemm }, facts) {
      const cost = gemm?.conv === conv ? tileCost(gemm, tile, dot4, facts) : undefined;
      return cost === undefined ? undefined : { cost, why: "dense weights" };
    },
    lower(c, problem) {
      const { gemm } = problem;
      invariant(gemm !== undefined, "lowering of a problem that was not estimated");
      const { m, shape } = gemm;
      const { fixed } = problem.finish;
      const base = { kernel, ...denseInputs(c, gemm, problem), ...(fixed && { constants: fixedConstants(fixed) }) };
      const n4 = Math.ceil(shape.groupOut / 4);
      if (tiled) c.dispatch({ ...base, groups: c.fold(Math.ceil(m / 32) * Math.ceil(n4 / 8), shape.groups) });
      else c.flat({ ...base, threads: Math.ceil(m / (tile === "4x4" ? 4 : 1)) * n4, z: shape.groups });
    },
  };
}

/** As of the float kernels; of the twin without the built-in, an assumption. */
export function tileCost({ m }: GemmProblem, tile: Variant["tile"], dot4: Variant["dot4"], { software }: DeviceFacts): number | undefined {
  const few = m < FEW_ROWS;
  const direct = software ? 1 : 1.5;
  if (few && tile === "32x32") return undefined;
  const cost = tile === "32x32" ? (software ? 10 : 1) : tile === "4x4" ? direct * (few ? 4 / m : 1) : direct * (few ? 1 : 2);
  return dot4 === "native" ? cost : cost * 1.5;
}

const TILES = ["4x4", "1x4", "32x32"] as const;

/** Rows and columns of a tile by four threads that share weights. */
const SHARE = 16;
/** Time relative to the direct tile by dot products: 0.5 on 192×256×256, 0.4 to 0.6 on a 3×3 convolution and on 16×64×64 (SwiftShader 5.0). */
const SHARE_COST = 0.5;

export function shareCost({ m, shape }: GemmProblem, { software }: DeviceFacts): number {
  const width = Math.ceil(shape.groupOut / 4) * 4;
  const waste = ((Math.ceil(m / SHARE) * SHARE) / m) * ((Math.ceil(width / SHARE) * SHARE) / width);
  return (software ? SHARE_COST : HARDWARE_QUAD_COST) * waste;
}

export function shareThreads({ m, shape }: GemmProblem): number {
  return Math.ceil(m / SHARE) * Math.ceil(shape.groupOut / SHARE) * 4;
}

/** Products in float32, exact: for software adapters, whose dot products of bytes take long. */
function share(conv: boolean): Candidate<IntegerProblem> {
  const kernel = `i8_${conv ? "conv" : "gemm"}_share_16x16__wgsl`;
  return {
    kernel,
    requires: ["subgroups"],
    sparse: false,
    algorithm: "direct",
    estimate: ({ gemm }, facts) => (gemm?.conv === conv ? { cost: shareCost(gemm, facts), why: "dense weights" } : undefined),
    lower(c, problem) {
      const { gemm } = problem;
      invariant(gemm !== undefined, "lowering of a problem that was not estimated");
      c.flat({ kernel, ...denseInputs(c, gemm, problem), threads: shareThreads(gemm), z: gemm.shape.groups });
    },
  };
}

function tiles(isFixed: boolean): readonly Candidate<IntegerProblem>[] {
  return (["native", "unpack"] as const).flatMap((dot4) =>
    [false, true].flatMap((conv) => TILES.map((tile) => dense({ tile, conv, dot4, isFixed }))),
  );
}

export const DENSE_I8: readonly Candidate<IntegerProblem>[] = [...tiles(false), ...[false, true].map(share)];

/** Of layers in fixed point. */
export const FIXED_DENSE_I8 = tiles(true);
