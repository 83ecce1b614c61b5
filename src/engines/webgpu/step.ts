/** A dispatch as lowering describes it: plain data, no GPU objects. */
import { DeviceLimitError } from "../../errors.ts";
import type { DeviceLimits } from "./device.ts";

/** What a binding reads: an activation (or graph input) by tensor name, or a block of constants by its number. */
export type Operand = { readonly kind: "tensor"; readonly name: string } | { readonly kind: "constant"; readonly id: number };

export type Groups = readonly [number, number, number];

export interface Step {
  readonly node: string;
  readonly op: string;
  /** Row of the WGSL catalogue. */
  readonly kernel: string;
  /** `override` constants. */
  readonly constants: Readonly<Record<string, number>>;
  /** Binding 0: the uniform, as words. */
  readonly params: Uint32Array;
  /** Binding 1. */
  readonly output: string;
  /** Bindings 2, 3, …. */
  readonly inputs: readonly Operand[];
  /** `RESIDUAL_BINDING`. */
  readonly residual?: Operand;
  readonly groups: Groups;
  /** Further nodes that it computes before it stores. */
  readonly fused?: readonly string[];
  /** It prepares or completes what another step of the node computes. */
  readonly helper?: true;
}

/** Where kernels that can add a residual read it (common/f32_finish.wgsl), behind whatever inputs they have. */
export const RESIDUAL_BINDING = 7;

/** Threads of a workgroup in kernels without workgroup memory. */
export const FLAT_WORKGROUP = 64;

/** Workgroups of that size, below which a software adapter gets smaller ones: its threads are few, and take whole workgroups. */
const SHARED_OUT = 16;
/** SwiftShader 5.0 (2026-11-24): a product of 784×64×64 takes no more processor time in these than in larger ones, and 0.78 of the time. */
const SMALL_WORKGROUP = 16;
/** What it computes at once: as many workgroups as there can be, for dispatches of a few dozen threads. */
const SMALLEST_WORKGROUP = 4;
const FEW_WORKGROUPS = 4;

export function flatWorkgroup(threads: number, software: boolean): number {
  if (!software || threads >= FLAT_WORKGROUP * SHARED_OUT) return FLAT_WORKGROUP;
  return threads < SMALL_WORKGROUP * FEW_WORKGROUPS ? SMALLEST_WORKGROUP : SMALL_WORKGROUP;
}

/** Fields of a uniform in the order of its WGSL struct: u32 and i32 as they are, f32 by its bits. */
export function u(...values: readonly number[]): number[] {
  return values.map((v) => v >>> 0);
}

const floatBits = new Float32Array(1);
const floatWords = new Uint32Array(floatBits.buffer);

export function f(...values: readonly number[]): number[] {
  return values.map((v) => {
    floatBits[0] = v;
    return floatWords[0]!;
  });
}

/** Eight dimensions, the rest zero: `Dims` or `Steps` of common/strides.wgsl. */
export function dims(values: readonly number[]): number[] {
  return u(...Array.from({ length: MAX_RANK }, (_, d) => values[d] ?? 0));
}

/** Dimensions that strided kernels take, after neighbours that move together are merged. */
export const MAX_RANK = 8;

/** A line of workgroups folded into y where it exceeds the device's limit; kernels unfold it and drop what is beyond the end. */
export function foldGroups(count: number, limits: DeviceLimits, where: string, z = 1): Groups {
  const limit = limits.maxComputeWorkgroupsPerDimension;
  const y = Math.ceil(count / limit);
  if (y > limit || z > limit) {
    throw new DeviceLimitError(
      `${where} on webgpu: exceeds maxComputeWorkgroupsPerDimension, got ${count} × ${z} workgroups, expected at most ${limit} × ${limit} × ${limit}`,
      "use a smaller input or batch, or another target",
    );
  }
  return [y > 1 ? limit : Math.max(1, count), Math.max(1, y), z];
}
