/** Catalogue rows of the WGSL kernels that keep weights in a compact code. */
import { FLOAT_ACCESS } from "./wgsl-access.ts";
import { wgslRow as row } from "./wgsl-row.ts";
import type { WgslKernel } from "./wgsl-row.ts";

const CODES = [
  { code: "codebook4", near: "codebook4_near", what: "4-bit indices of shared values" },
  { code: "codebook8", near: "codebook8_near", what: "8-bit indices of shared values" },
  { code: "int4", near: "int4", what: "4-bit integers with a scale a block" },
  { code: "int8", near: "int8", what: "8-bit integers with a scale an output" },
  { code: "float16", near: "float16", what: "float16 storage" },
  { code: "nm24", near: "nm24", what: "2:4 storage, two values of four and their places" },
] as const;

export const CODED_GEMMS: readonly WgslKernel[] = CODES.flatMap(({ code, near, what }) =>
  FLOAT_ACCESS.flatMap(({ family, access, suffix, ops, reads }) => {
    const name = (tile: string): string => `f32_${family}_${code}_${tile}__wgsl${suffix}`;
    const direct = { ACCESS: access, CODE: code };
    const shared = { ACCESS: access, CODE: near };
    return [
      row(name("4x4"), ops, "f32_gemm_coded_4x4", direct, `${what}, decoded in registers; 4 × 4 outputs a thread; reads ${reads}.`),
      row(name("1x4"), ops, "f32_gemm_coded_1x4", direct, `${what}, decoded in registers; 1 × 4 outputs a thread; reads ${reads}.`),
      ...(suffix === ""
        ? [row(name("32x32"), ops, "f32_gemm_coded_32x32", shared, `${what}, decoded into tiles in workgroup memory; reads ${reads}.`)]
        : []),
      ...(family === "gemm"
        ? [
            row(
              name("split_1x4"),
              ops,
              "f32_gemm_coded_split_1x4",
              shared,
              `${what}; k split over 16 threads, for few rows; reads ${reads}.`,
            ),
          ]
        : []),
    ];
  }),
);
