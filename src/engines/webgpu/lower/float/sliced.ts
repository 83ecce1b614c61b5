/**
 * Dense candidates that split k over workgroups: each sums over a slice into a buffer of its own, a second dispatch adds the slices in order and
 * does what every product ends with. For products of few tiles and long sums, which would leave most of a GPU without work. Not by atomic
 * sums, whose order, and so whose result, differs from run to run; and not over more threads of one workgroup, which would keep to one dispatch
 * but not reach a compute unit more.
 */
import { SLICED_TILE } from "../../../../kernels/wgsl-tiles.ts";
import type { DeviceLimits } from "../../device.ts";
import { kUnits } from "../../pack.ts";
import { u } from "../../step.ts";
import type { Operand } from "../../step.ts";
import type { Candidate } from "../candidates.ts";
import { FEW_ROWS } from "../problem.ts";
import type { GemmProblem } from "../problem.ts";
import { ACCESSES, denseInputs, isWhole, kernelName, reads } from "./problem.ts";
import type { Access, FloatProblem } from "./problem.ts";

const SUM_KERNEL = "f32_gemm_sliced_sum_1x4__wgsl";
const HEIGHT = SLICED_TILE.y * SLICED_TILE.rows;
const WIDTH = 4 * SLICED_TILE.x * SLICED_TILE.columns;
/** Units of four along k that a workgroup takes a step. */
const STEP = SLICED_TILE.depth;

/**
 * Workgroups with which a GPU is busy: two on each of 32 compute units, of which WebGPU tells nothing. An assumption that tuning measures:
 * integrated GPUs have some 8 to 16 units, large ones over 100.
 */
const BUSY = 64;
/** Steps that a slice has at least, 128 of k, where k is long enough for two of them. */
const LEAST_STEPS = 4;
/**
 * What the second dispatch takes, in steps of a workgroup. Sums, written and read once, are 2 × 4 KiB a tile, which is what a step reads; the wait
 * between dispatches is 2 to 4 µs, some four steps of a workgroup that has a compute unit to itself, where latency is what counts (an
 * assumption that tuning measures).
 */
const SUM_STEPS = 5;
/** Below this the estimate does not fall: it is an assumption, and must not expand weights that have a compact code (CODED_LIMIT of engines/candidates.ts). */
const LEAST_COST = 0.4;
/** Tiles beyond which no GPU has units to spare, and the sums would take memory for nothing. */
const MOST_TILES = 4 * BUSY;
/** As of the other tiles (lower/float/tiled.ts). */
const SOFTWARE_COST = 10;
/** Rows of a matrix up to which the kernels that split k over threads serve, in one dispatch (lower/float/split.ts). */
const SPLIT_ROWS = 8;

interface Slices {
  readonly tiles: number;
  /** Steps of all of k. */
  readonly steps: number;
  readonly count: number;
  /** Units of four along k of each but the last. */
  readonly units: number;
  /** vec4 of sums. */
  readonly sums: number;
}

/** How the product is split; undefined where it cannot be, or where the sums exceed the device's limits. */
function slicesOf({ m, shape }: GemmProblem, limits: DeviceLimits): Slices | undefined {
  const k4 = kUnits(shape);
  const tiles = Math.ceil(m / HEIGHT) * Math.ceil(shape.groupOut / WIDTH);
  const steps = Math.ceil(k4 / STEP);
  const wanted = Math.max(2, Math.min(Math.floor(BUSY / (tiles * shape.groups)), Math.floor(steps / LEAST_STEPS)));
  const units = k4 <= STEP ? Math.ceil(k4 / 2) : Math.ceil(steps / wanted) * STEP;
  const count = Math.ceil(k4 / units);
  const sums = shape.groups * count * m * Math.ceil(shape.groupOut / 4);
  const fits =
    sums * 16 <= Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize) &&
    shape.groups * count <= limits.maxComputeWorkgroupsPerDimension;
  return m < FEW_ROWS || k4 < 2 || tiles * shape.groups > MOST_TILES || !fits ? undefined : { tiles, steps, count, units, sums };
}

/** Time relative to the same tile without slices: rounds of workgroups × steps of each. */
function costOf({ conv, m, shape: { groups } }: GemmProblem, { tiles, steps, count, units }: Slices): number {
  const rounds = (workgroups: number): number => Math.max(1, workgroups / BUSY);
  const sliced = rounds(tiles * groups * count) * Math.ceil(units / STEP) + SUM_STEPS;
  const cost = Math.max(LEAST_COST, sliced / (rounds(tiles * groups) * steps));
  return !conv && m <= SPLIT_ROWS ? Math.max(1, cost) : cost;
}

function sliced(access: Access): Candidate<FloatProblem> {
  const kernel = kernelName(`sliced_${SLICED_TILE.name}`, access);
  return {
    kernel,
    requires: [],
    workgroup: { invocations: SLICED_TILE.x * SLICED_TILE.y, storageBytes: 16 * STEP * (HEIGHT + WIDTH) },
    sparse: false,
    algorithm: "split",
    estimate(problem, { software, limits }) {
      const slices = reads(problem, access) ? slicesOf(problem.gemm, limits) : undefined;
      if (slices === undefined) return undefined;
      const cost = software ? SOFTWARE_COST : costOf(problem.gemm, slices);
      return { cost, why: `dense weights, k in ${slices.count} slices` };
    },
    lower(c, problem) {
      const { gemm } = problem;
      const { m, shape } = gemm;
      const slices = slicesOf(gemm, c.facts.limits)!;
      const { inputs, params, constants, output, residual } = denseInputs(c, problem);
      const [a, weights, bias] = inputs as readonly [Operand, Operand, Operand];
      const all = [...params, ...u(0, 0, slices.units)];
      const name = c.scratch("sums", slices.sums * 4);
      const sums: Operand = { kind: "tensor", name };
      const groups = c.fold(slices.tiles, shape.groups * slices.count);
      const whole = isWhole(gemm, HEIGHT, WIDTH) && groups[0] * groups[1] === slices.tiles;
      const fit = { FIT_MN: whole ? 1 : 0, FIT_K: kUnits(shape) % STEP === 0 && slices.units % STEP === 0 ? 1 : 0 };
      c.dispatch({ kernel, params: all, inputs: [a, weights], output: name, groups, constants: fit });
      c.flat({
        kernel: SUM_KERNEL,
        params: all,
        inputs: [sums, bias],
        // Without a residual any buffer will do: one that lives anyway.
        residual: problem.residual === undefined ? sums : residual,
        output,
        constants,
        threads: m * Math.ceil(shape.groupOut / 4),
        z: shape.groups,
        fit: isWhole(gemm, 1, 4),
      });
    },
  };
}

export const SLICED_F32: readonly Candidate<FloatProblem>[] = ACCESSES.map(sliced);
