/** Catalogue rows of the WGSL kernels that keep weights in a compact code. */
import { FLOAT_ACCESS } from "./wgsl-access.ts";
import { wgslRow as row } from "./wgsl-row.ts";
import type { WgslKernel } from "./wgsl-row.ts";

interface Code {
  readonly code: string;
  /** Files of shaders/code, of kernels in registers and of those with workgroup memory. */
  readonly far: string;
  readonly near: string;
  readonly what: string;
  /** Language extension; of kernels that read A four values at once only. */
  readonly native?: { readonly suffix: string; readonly feature: string };
}

const CODES: readonly Code[] = [
  { code: "codebook4", far: "codebook4", near: "codebook4_near", what: "4-bit indices of shared values" },
  { code: "codebook8", far: "codebook8", near: "codebook8_near", what: "8-bit indices of shared values" },
  { code: "int4", far: "int4", near: "int4", what: "4-bit integers with a scale a block" },
  { code: "int8", far: "int8", near: "int8", what: "8-bit integers with a scale an output" },
  { code: "float16", far: "float16", near: "float16", what: "float16 storage" },
  {
    code: "float16",
    far: "float16_native",
    near: "float16_native",
    what: "float16 storage, read in the device's own half precision",
    native: { suffix: "_f16", feature: "shader-f16" },
  },
  { code: "nm24", far: "nm24", near: "nm24", what: "2:4 storage, two values of four and their places" },
];

export const CODED_GEMMS: readonly WgslKernel[] = CODES.flatMap(({ code, far, near, what, native }) =>
  FLOAT_ACCESS.filter(({ suffix }) => native === undefined || suffix === "").flatMap(({ family, access, suffix, ops, reads }) => {
    const name = (tile: string): string => `f32_${family}_${code}_${tile}__wgsl${suffix}${native?.suffix ?? ""}`;
    const direct = { ACCESS: access, CODE: far };
    const shared = { ACCESS: access, CODE: near };
    const requires = native === undefined ? [] : [native.feature];
    return [
      row(
        name("4x4"),
        ops,
        "f32_gemm_coded_4x4",
        direct,
        `${what}, decoded in registers; 4 × 4 outputs a thread; reads ${reads}.`,
        requires,
      ),
      row(
        name("1x4"),
        ops,
        "f32_gemm_coded_1x4",
        direct,
        `${what}, decoded in registers; 1 × 4 outputs a thread; reads ${reads}.`,
        requires,
      ),
      ...(suffix === ""
        ? [
            row(
              name("32x32"),
              ops,
              "f32_gemm_coded_32x32",
              shared,
              `${what}, decoded into tiles in workgroup memory; reads ${reads}.`,
              requires,
            ),
          ]
        : []),
      ...(family === "gemm"
        ? [
            row(
              name("split_1x4"),
              ops,
              "f32_gemm_coded_split_1x4",
              shared,
              `${what}; k split over 16 threads, for few rows; reads ${reads}.`,
              requires,
            ),
          ]
        : []),
    ];
  }),
);
