/** What the catalogue rows of many WGSL kernels have in common: how a product reads its inputs, and dot products of bytes. */

/** Where a float GEMM reads A: family of the name, access file, suffix of the kernel name, ops. */
export const FLOAT_ACCESS = [
  {
    family: "gemm",
    access: "f32_rows_vec4",
    suffix: "",
    ops: ["Dense", "Conv2D", "MatMul"],
    reads: "rows of a matrix, four values at once",
  },
  {
    family: "gemm",
    access: "f32_rows_scalar",
    suffix: "_scalar",
    ops: ["Dense", "Conv2D", "MatMul"],
    reads: "rows of a matrix of any length",
  },
  { family: "conv", access: "f32_conv_vec4", suffix: "", ops: ["Conv2D"], reads: "an image through im2col, four channels at once" },
  { family: "conv", access: "f32_conv_scalar", suffix: "_scalar", ops: ["Conv2D"], reads: "an image through im2col, any channels" },
] as const;

/** Dot products of four bytes: the built-in and its twin. */
export const DOTS = [
  {
    dot: "dot4",
    call: "dot4I8Packed",
    requires: ["packed_4x8_integer_dot_product"],
    how: "the built-in dot product of four bytes",
  },
  { dot: "unpack", call: "dot4_unpack", requires: [], how: "bytes unpacked to int32" },
] as const;
