/** The targets that kernels on hardware should reach, and whether what was measured does. */
import type { Ceiling } from "../../src/harness/ceilings.ts";
import type { GpuCase } from "./cases.ts";
import type { Kind, KernelTime } from "./measure.ts";

export interface Measured extends GpuCase {
  readonly macs: number;
  /** Inputs, weights in float32 and outputs, each once. */
  readonly bytes: number;
  /** Of the output and of the patches that an explicit im2col would write; convolutions only. */
  readonly patchBytes?: number;
  readonly kernels: readonly KernelTime[];
}

export interface Target {
  readonly shape: string;
  readonly recipe: string;
  /** What is compared, in words. */
  readonly what: string;
  readonly value: number;
  readonly atLeast: number;
  readonly met: boolean;
}

const SPARSE_GAINS: Readonly<Record<string, number>> = {
  "prune:0.5,block=1x8,include=*": 1.4,
  "prune:0.75,block=1x8,include=*": 2.7,
  "prune:0.875,block=1x8,include=*": 4,
};

/** @returns a row for each target whose parts were all measured */
export function judgeTargets(rows: readonly Measured[], ceilings: readonly Ceiling[]): readonly Target[] {
  const targets: Target[] = [];
  const giga = (type: Ceiling["type"]): number | undefined => ceilings.find((ceiling) => ceiling.type === type)?.giga;
  const [flops, copy] = [giga("float32"), giga("copy")];
  const best = ({ kernels }: Measured, ...kinds: readonly Kind[]): KernelTime | undefined =>
    kernels.find(({ ms, kind }) => ms !== undefined && (kinds.length === 0 || kinds.includes(kind)));
  const msOf = (row: Measured | undefined, ...kinds: readonly Kind[]): number | undefined =>
    row === undefined ? undefined : best(row, ...kinds)?.ms;
  const find = (shape: string, recipe: string): Measured | undefined => rows.find((row) => row.shape === shape && row.recipe === recipe);
  const add = ({ shape, recipe }: Measured, what: string, value: number | undefined, atLeast: number): void => {
    if (value !== undefined) targets.push({ shape, recipe, what, value, atLeast, met: value >= atLeast });
  };
  const over = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined || b === undefined ? undefined : a / b;

  for (const row of rows) {
    const { group, shape, recipe, macs, bytes } = row;
    const own = msOf(row);
    const plain = msOf(find(shape, "fp32"), "dense");
    if (recipe === "fp32" && group === "gemm" && flops !== undefined)
      add(row, "share of the multiply-add ceiling", over((2 * macs) / flops / 1e6, own), 0.6);
    if (recipe === "fp32" && group === "conv" && copy !== undefined) {
      const product = msOf(find(row.product ?? "", "fp32"));
      const explicit = product === undefined ? undefined : product + (row.patchBytes ?? 0) / copy / 1e6;
      add(row, "im2col by a copy and a product of that size, over this", over(explicit, own), 1);
    }
    if (recipe === "fp32" && group === "depthwise" && copy !== undefined)
      add(row, "share of the copy bandwidth", over(bytes / copy / 1e6, own), 0.7);
    if (group === "few") {
      const [whole, sliced] = ["tiled", "sliced"].map(
        (way) => row.kernels.find(({ kernel }) => kernel === `f32_gemm_${way}_32x32__wgsl`)?.ms,
      );
      add(row, "the tile of 32 × 32 over the same with k split over workgroups", over(whole, sliced), 1);
    }
    const gain = SPARSE_GAINS[recipe];
    if (gain !== undefined)
      add(row, "fastest dense kernel over the fastest that skips zeros", over(msOf(row, "dense"), msOf(row, "sparse")), gain);
    if (recipe === "prune:0.9,include=*")
      add(row, "fastest dense kernel over the fastest that skips zeros", over(msOf(row, "dense"), msOf(row, "sparse")), 1);
    if (recipe === "int8") add(row, "float32 over int8", over(plain, own), group === "conv" ? 1.5 : group === "depthwise" ? 1 : 1.8);
    if (recipe === "fp16") add(row, "float32 over float16", over(plain, own), group === "matvec" ? 1.5 : 1.3);
    if (recipe === "cluster:16")
      add(row, "float16 over codebook", over(msOf(find(shape, "fp16")), msOf(row, "coded")), group === "matvec" ? 1.5 : 0.9);
    const coded = best(row, "coded");
    if (recipe.startsWith("int4") && group === "matvec" && copy !== undefined && coded?.weightBytes !== undefined)
      add(row, "weights as held, share of the copy bandwidth", over(coded.weightBytes / copy / 1e6, coded.ms), 0.7);
    const plainBytes = best(row, "dense")?.weightBytes;
    if (recipe === "prune,nm=2:4,include=*" && plainBytes !== undefined) {
      const least = Math.min(...row.kernels.flatMap(({ weightBytes }) => weightBytes ?? []));
      add(row, "dense weight bytes over the fewest", plainBytes / least, 1 / 0.55);
    }
  }
  return targets;
}
