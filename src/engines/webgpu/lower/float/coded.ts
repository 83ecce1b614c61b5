/**
 * Candidates that keep weights in fewer bits: a compact code (codebook, int4 blocks, int8, float16), or two of every four values and their places.
 * GPU memory holds only that; kernels decode in registers, or while they fill workgroup memory.
 */
import { invariant } from "../../../../errors.ts";
import { codeText } from "../../../../graph/code.ts";
import type { Estimate } from "../../../candidates.ts";
import type { DeviceFacts } from "../../device.ts";
import { scaleRows } from "../../pack-coded.ts";
import type { CodedKind } from "../../pack-coded.ts";
import { kUnits } from "../../pack.ts";
import { u } from "../../step.ts";
import type { Operand } from "../../step.ts";
import type { Candidate, Workgroup } from "../candidates.ts";
import type { Lowering } from "../context.ts";
import { FEW_ROWS } from "../problem.ts";
import { ACCESSES, biasOperand, floatDispatch, isWhole, kernelName, reads } from "./problem.ts";
import type { Access, FloatProblem } from "./problem.ts";

type Kind = CodedKind | "nm24";
type Tile = "4x4" | "1x4" | "32x32" | "split_1x4";

/** Bytes of a table in workgroup memory. */
const TABLE_BYTES: Readonly<Record<Kind, number>> = { codebook4: 2048, codebook8: 1024, int4: 0, int8: 0, float16: 0, nm24: 0 };

/**
 * Time in registers relative to the dense kernel of the same tile, many rows and few: medians of processor times of interleaved runs on
 * SwiftShader 5.0 (Dawn, 2026-11-24), 196×512×512, 784×64×64, 1×512×512 and 1×1000×1024.
 */
const SOFTWARE: Readonly<Record<Kind, readonly [tile: number, row: number]>> = {
  codebook4: [1.2, 1.4],
  codebook8: [1.15, 1.4],
  int4: [1.1, 1.3],
  int8: [1.1, 1.2],
  float16: [1.1, 1],
  nm24: [1.2, 1.4],
};
/** Hardware: an assumption that tuning measures. A tile decodes each weight once; a row is limited by the bytes it reads. */
const HARDWARE: Readonly<Record<Kind, readonly [tile: number, row: number]>> = {
  codebook4: [1.1, 0.5],
  codebook8: [1.1, 0.6],
  int4: [1.1, 0.5],
  int8: [1.05, 0.6],
  float16: [1, 0.7],
  nm24: [1.05, 0.8],
};

/** Units of k for 16 threads, below which they have too little to share. */
const SPLIT_MIN_K4 = 16;

function estimate(kind: Kind, tile: Tile, { gemm }: FloatProblem, { software }: DeviceFacts): number | undefined {
  const few = gemm.m < FEW_ROWS;
  const [many, row] = (software ? SOFTWARE : HARDWARE)[kind];
  const registers = software ? 1 : 1.5;
  switch (tile) {
    case "4x4":
      return many * registers * (few ? 4 / gemm.m : 1);
    case "1x4":
      return few ? row * registers : row * registers * 2;
    case "32x32":
      return few ? undefined : many * (software ? 10 : 1);
    case "split_1x4":
      return few && kUnits(gemm.shape) >= SPLIT_MIN_K4 ? row * (software ? 10 : 0.5) : undefined;
  }
}

function workgroupOf(kind: Kind, tile: Tile): Workgroup | undefined {
  if (tile === "32x32") return { invocations: 64, storageBytes: 8192 + TABLE_BYTES[kind] };
  return tile === "split_1x4" ? { invocations: 64, storageBytes: 1024 + TABLE_BYTES[kind] } : undefined;
}

/** Time of kernels that read float16 in the device's own half precision, relative to those that unpack: an assumption that tuning measures. */
const NATIVE_COST = 0.95;

/** @param native by the language extension that the device has for it */
function coded(kind: Kind, tile: Tile, access: Access, native = false): Candidate<FloatProblem> {
  const kernel = `${kernelName(`${kind}_${tile}`, access)}${native ? "_f16" : ""}`;
  const workgroup = workgroupOf(kind, tile);
  return {
    kernel,
    requires: native ? ["f16"] : [],
    ...(workgroup && { workgroup }),
    sparse: false,
    coded: true,
    estimate(problem, facts): Estimate | undefined {
      if (!reads(problem, access)) return undefined;
      const cost = estimate(kind, tile, problem, facts);
      const why = cost === undefined ? undefined : contents(kind, problem);
      return cost === undefined || why === undefined ? undefined : { cost: native ? cost * NATIVE_COST : cost, why };
    },
    lower(c, problem) {
      const { x, gemm } = problem;
      const { m, shape } = gemm;
      const { inputs, extra } = weightsOf(c, kind, problem);
      const [codes, ...tables] = inputs;
      const n4 = Math.ceil(shape.groupOut / 4);
      const common = floatDispatch(c, problem);
      const base = {
        kernel,
        ...common,
        params: [...common.params, ...extra],
        inputs: [c.operand(x), codes!, biasOperand(c, problem, 4), ...tables],
      };
      const rows = tile === "4x4" ? 4 : 1;
      if (tile === "32x32") c.dispatch({ ...base, groups: c.fold(Math.ceil(m / 32) * Math.ceil(n4 / 8), shape.groups) });
      else if (tile === "split_1x4") c.dispatch({ ...base, groups: [Math.ceil(n4 / 4), m, 1] });
      else c.flat({ ...base, threads: Math.ceil(m / rows) * n4, z: shape.groups, fit: isWhole(gemm, rows, 4) });
    },
  };
}

/** What is stored, as a clause of the record; undefined where the layer's weights have no such form. */
function contents(kind: Kind, problem: FloatProblem): string | undefined {
  if (kind === "nm24") return problem.twoOfFour() === undefined ? undefined : "2:4 storage, two of four weights";
  const { code, packedCode } = problem;
  if (code === undefined || packedCode()?.kind !== kind) return undefined;
  return codeText(code);
}

/** The weights and what decodes them, and the words that the uniform has beyond the dense kernel's. */
function weightsOf(
  c: Lowering,
  kind: Kind,
  { gemm, packedCode, twoOfFour }: FloatProblem,
): { readonly inputs: readonly Operand[]; readonly extra: readonly number[] } {
  if (kind === "nm24") {
    const kept = twoOfFour();
    invariant(kept !== undefined, "lowering of weights that were not estimated");
    return { inputs: [c.constant("weights", kept.values), c.constant("places", kept.places)], extra: [] };
  }
  const packed = packedCode();
  invariant(packed !== undefined, "lowering of weights that were not estimated");
  const { codes, table, scaleUnits } = packed;
  return {
    inputs: [c.constant("codes", codes), ...(table === undefined ? [] : [c.constant("table", table)])],
    extra: scaleUnits === undefined ? [] : u(scaleUnits, scaleRows(gemm.shape, scaleUnits)),
  };
}

const KINDS: readonly Kind[] = ["codebook4", "codebook8", "int4", "int8", "float16", "nm24"];

function tilesOf({ conv, vec4 }: Access): readonly Tile[] {
  return ["4x4", "1x4", ...(vec4 ? (["32x32"] as const) : []), ...(conv ? [] : (["split_1x4"] as const))];
}

export const CODED_F32: readonly Candidate<FloatProblem>[] = ACCESSES.flatMap((access) =>
  tilesOf(access).flatMap((tile) => [
    ...KINDS.map((kind) => coded(kind, tile, access)),
    ...(access.vec4 ? [coded("float16", tile, access, true)] : []),
  ]),
);
