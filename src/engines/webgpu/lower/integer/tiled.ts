/** Dense 8-bit candidates of 64 × 64 outputs a workgroup, sixteen bytes of both operands at once: for hardware. */
import { invariant } from "../../../../errors.ts";
import { TILES_I8 } from "../../../../kernels/wgsl-integer.ts";
import type { IntegerTile } from "../../../../kernels/wgsl-integer.ts";
import type { DeviceFacts } from "../../device.ts";
import { kUnits, packIntegerRows, runUnits } from "../../pack.ts";
import type { Operand } from "../../step.ts";
import type { Candidate, Workgroup } from "../candidates.ts";
import type { Dispatch, Lowering } from "../context.ts";
import { FEW_ROWS, gemmParams } from "../problem.ts";
import type { GemmProblem } from "../problem.ts";
import { columnsOperand } from "./problem.ts";
import type { IntegerProblem } from "./problem.ts";

const SIZE = 64;
/** 16 of k a vec4, 4 of them a step. */
const STEP_UNITS = 16;
/** Workgroup memory. */
const STORAGE_BYTES = 2 * 4 * SIZE * 16;
/** The tile of 32 × 32, whose time is 1 on hardware; a barrier on software takes ten times as long (lower/float/tiled.ts). */
const SMALL = 32;
const SOFTWARE_COST = 10;
/** As larger float tiles: an assumption that tuning measures. */
const LARGER_COST = 1.05;
/** Of the twin without the built-in, as of the other kernels. */
const UNPACK_COST = 1.5;

function tiled(tile: IntegerTile, conv: boolean, dot4: "native" | "unpack"): Candidate<IntegerProblem> {
  const kernel = `i8_${conv ? "conv" : "gemm"}_${dot4 === "native" ? "dot4" : "unpack"}_${tile.name}__wgsl`;
  return {
    kernel,
    requires: dot4 === "native" ? ["dot4"] : [],
    workgroup: workgroupOf64(tile),
    sparse: false,
    algorithm: "tiled",
    dot4,
    estimate({ gemm }, facts) {
      const cost = gemm?.conv === conv ? costOf64(gemm, dot4, facts) : undefined;
      return cost === undefined ? undefined : { cost, why: "dense weights" };
    },
    lower(c, problem) {
      const { gemm, finish, out } = problem;
      invariant(gemm !== undefined, "lowering of a problem that was not estimated");
      c.dispatch({
        kernel,
        params: gemmParams(gemm, undefined, finish),
        inputs: [problem.input(c), weightsOf64(c, gemm), columnsOperand(c, gemm, problem, 4)],
        output: out,
        ...gridOf64(c, gemm),
      });
    },
  };
}

export function workgroupOf64({ x, y }: IntegerTile): Workgroup {
  return { invocations: x * y, storageBytes: STORAGE_BYTES };
}

/** Expected time relative to the tile of 32 × 32; undefined where the kernel cannot read A or has too few rows. */
export function costOf64(gemm: GemmProblem, dot4: "native" | "unpack", { software }: DeviceFacts): number | undefined {
  const { m, shape } = gemm;
  if (m < FEW_ROWS || !isSixteenWide(gemm)) return undefined;
  const area = (size: number): number => Math.ceil(m / size) * Math.ceil(shape.groupOut / size) * size * size;
  const cost = (software ? SOFTWARE_COST : 1) * LARGER_COST * (area(SIZE) / area(SMALL));
  return dot4 === "native" ? cost : cost * UNPACK_COST;
}

export function weightsOf64(c: Lowering, { shape, weight }: GemmProblem): Operand {
  return c.constant("weights", packIntegerRows(shape, weight));
}

export function gridOf64(c: Lowering, { m, shape }: GemmProblem): Pick<Dispatch, "groups" | "constants"> {
  return {
    groups: c.fold(Math.ceil(m / SIZE) * Math.ceil(shape.groupOut / SIZE), shape.groups),
    constants: { FIT_K: kUnits(shape) % STEP_UNITS === 0 ? 1 : 0 },
  };
}

/** Whether rows of A, or a pixel's channels in every group, are whole vec4 of words. */
function isSixteenWide({ conv, shape, aStride, geometry }: GemmProblem): boolean {
  if (!conv) return aStride % 4 === 0;
  const [, , , , pixel, groupRun] = geometry as unknown as readonly [number, number, number, number, number, number];
  return pixel % 4 === 0 && groupRun % 4 === 0 && runUnits(shape) % 4 === 0;
}

export const TILED_I8: readonly Candidate<IntegerProblem>[] = TILES_I8.flatMap((tile) =>
  (["native", "unpack"] as const).flatMap((dot4) => [false, true].map((conv) => tiled(tile, conv, dot4))),
);
