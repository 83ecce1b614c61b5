/**
 * 8-bit products on int16 pairs: a block of rows is widened into `wide`, its zero point taken off, and multiplied with all panels while it is
 * in the caches. A widened copy of the whole input would leave them between being written and being read.
 */
import { gemmPairs } from "./gen/dense-i8";
import { widen } from "./layout";

/**
 * Rows of `k` bytes, `lda` apart. Weights as the tiles of gen/dense-i8.ts want them: [bias][scales][ceil(k / 2) pairs × 8].
 * @param wide scratch for mb rows of k int16, and 7 more
 */
export function i8_gemm_pairs_4x8__wasm_simd(
  a: usize,
  lda: usize,
  k: usize,
  w: usize,
  c: usize,
  ldc: usize,
  m: usize,
  n: usize,
  mb: usize,
  wide: usize,
  zeroPoint: i32,
  isSigned: i32,
  post: usize,
): void {
  const zero = i16x8.splat(<i16>zeroPoint);
  for (let m0: usize = 0; m0 < m; m0 += mb) {
    const rows = min(m - m0, mb);
    if (lda == k) widen(a, wide, rows * k, zero, isSigned);
    else for (let i: usize = 0; i < rows; i++) widen(a + i * lda, wide + i * k * 2, k, zero, isSigned);
    gemmPairs(wide, k * 2, (k + 1) >> 1, w, c, ldc, rows, n, rows, post);
    a += rows * lda;
    c += rows * ldc;
  }
}
