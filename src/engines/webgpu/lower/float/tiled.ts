/** Dense candidates that share a tile of both operands in workgroup memory, in the sizes that suit one GPU or another. */
import { TILES_F32 } from "../../../../kernels/wgsl-tiles.ts";
import type { FloatTile } from "../../../../kernels/wgsl-tiles.ts";
import { kUnits } from "../../pack.ts";
import type { Candidate } from "../candidates.ts";
import { FEW_ROWS } from "../problem.ts";
import { ACCESSES, denseInputs, isWhole, kernelName, reads } from "./problem.ts";
import type { Access, FloatProblem } from "./problem.ts";

/** Time on SwiftShader 5.0 relative to registers only (784×64×64: 48 ms and 4.5 ms): a barrier splits its code into coroutines. */
const SOFTWARE_COST = 10;
/**
 * Larger tiles read less, and leave more of a GPU without work: an assumption that tuning measures, since the best tile of one GPU takes twice
 * the time of another's best there.
 */
const LARGER_COST = 1.05;
const BYTES = 16;

function tiled(tile: FloatTile, access: Access): Candidate<FloatProblem> {
  const kernel = kernelName(`tiled_${tile.name}`, access);
  const { x, y, rows, columns, depth } = tile;
  const [height, width] = [y * rows, 4 * x * columns];
  return {
    kernel,
    requires: [],
    workgroup: { invocations: x * y, storageBytes: BYTES * depth * (height + width) },
    sparse: false,
    algorithm: "tiled",
    estimate(problem, { software }) {
      const { m, shape } = problem.gemm;
      if (!reads(problem, access) || m < FEW_ROWS) return undefined;
      const area = (h: number, w: number): number => Math.ceil(m / h) * h * (Math.ceil(shape.groupOut / w) * w);
      const [smallest] = TILES_F32;
      const waste = area(height, width) / area(smallest.y * smallest.rows, 4 * smallest.x * smallest.columns);
      return { cost: (software ? SOFTWARE_COST : 1) * waste * (tile === smallest ? 1 : LARGER_COST), why: "dense weights" };
    },
    lower(c, problem) {
      const { m, shape } = problem.gemm;
      const tiles = Math.ceil(m / height) * Math.ceil(shape.groupOut / width);
      const groups = c.fold(tiles, shape.groups);
      const inputs = denseInputs(c, problem);
      const constants = {
        ...inputs.constants,
        FIT_MN: isWhole(problem.gemm, height, width) && groups[0] * groups[1] === tiles ? 1 : 0,
        FIT_K: kUnits(shape) % depth === 0 ? 1 : 0,
      };
      c.dispatch({ kernel, ...inputs, groups, constants });
    },
  };
}

/** The larger ones only where A is read four values at once: elsewhere reading is what takes time. */
export const TILED_F32: readonly Candidate<FloatProblem>[] = TILES_F32.flatMap((tile, i) =>
  ACCESSES.filter(({ vec4 }) => vec4 || i === 0).map((access) => tiled(tile, access)),
);
