/**
 * AssemblyScript, not TypeScript: the matrix product of training, float32 with 128-bit SIMD. Both operands are packed
 * (A in panels of 4 rows, B in panels of 8 columns, blocks of 256 along k so that a B panel stays in the first-level cache), which
 * also absorbs transposition. The 4×8 tile keeps 8 accumulators, 2 B vectors and 1 splat within 16 vector registers.
 * Packing follows Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).
 */

const KC: i32 = 256;
const MC: i32 = 64;
const NC: i32 = 512;

/** Bytes that `scratch` must have: a packed block of each operand and one output tile. */
export function scratchBytes(): i32 {
  return (KC * MC + KC * NC + 32) << 2;
}

/** rows..rows+3 of op(A), kc columns from k0, to panel[k * 4 + r]; rows past m are zero. stepK and stepRow are in bytes. */
function packA(source: usize, stepRow: usize, stepK: usize, rows: i32, kc: i32, panel: usize): void {
  if (rows === 4) {
    const s1 = source + stepRow;
    const s2 = s1 + stepRow;
    const s3 = s2 + stepRow;
    for (let k: i32 = 0, at: usize = 0; k < kc; k++, at += stepK, panel += 16) {
      f32.store(panel, f32.load(source + at));
      f32.store(panel, f32.load(s1 + at), 4);
      f32.store(panel, f32.load(s2 + at), 8);
      f32.store(panel, f32.load(s3 + at), 12);
    }
    return;
  }
  for (let k: i32 = 0; k < kc; k++, panel += 16) {
    v128.store(panel, f32x4.splat(0));
    for (let r: i32 = 0; r < rows; r++) f32.store(panel + ((<usize>r) << 2), f32.load(source + <usize>r * stepRow + <usize>k * stepK));
  }
}

/** Columns n0..n0+7 of op(B), kc rows, to panel[k * 8 + c]; columns past n are zero. */
function packB(source: usize, stepK: usize, stepColumn: usize, columns: i32, kc: i32, panel: usize): void {
  if (columns === 8 && stepColumn === 4) {
    for (let k: i32 = 0; k < kc; k++, source += stepK, panel += 32) {
      v128.store(panel, v128.load(source));
      v128.store(panel, v128.load(source, 16), 16);
    }
    return;
  }
  for (let k: i32 = 0; k < kc; k++, panel += 32) {
    v128.store(panel, f32x4.splat(0));
    v128.store(panel, f32x4.splat(0), 16);
    for (let c: i32 = 0; c < columns; c++)
      f32.store(panel + ((<usize>c) << 2), f32.load(source + <usize>k * stepK + <usize>c * stepColumn));
  }
}

/** out[4×8] (+)= A panel · B panel; `stride` is the bytes between rows of out. */
function tile(pa: usize, pb: usize, kc: i32, out: usize, stride: usize, accumulate: bool): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  for (let k: i32 = 0; k < kc; k++, pa += 16, pb += 32) {
    const b0 = v128.load(pb);
    const b1 = v128.load(pb, 16);
    let a = v128.load32_splat(pa);
    c00 = f32x4.add(c00, f32x4.mul(a, b0));
    c01 = f32x4.add(c01, f32x4.mul(a, b1));
    a = v128.load32_splat(pa, 4);
    c10 = f32x4.add(c10, f32x4.mul(a, b0));
    c11 = f32x4.add(c11, f32x4.mul(a, b1));
    a = v128.load32_splat(pa, 8);
    c20 = f32x4.add(c20, f32x4.mul(a, b0));
    c21 = f32x4.add(c21, f32x4.mul(a, b1));
    a = v128.load32_splat(pa, 12);
    c30 = f32x4.add(c30, f32x4.mul(a, b0));
    c31 = f32x4.add(c31, f32x4.mul(a, b1));
  }
  const o1 = out + stride;
  const o2 = o1 + stride;
  const o3 = o2 + stride;
  if (accumulate) {
    c00 = f32x4.add(c00, v128.load(out));
    c01 = f32x4.add(c01, v128.load(out, 16));
    c10 = f32x4.add(c10, v128.load(o1));
    c11 = f32x4.add(c11, v128.load(o1, 16));
    c20 = f32x4.add(c20, v128.load(o2));
    c21 = f32x4.add(c21, v128.load(o2, 16));
    c30 = f32x4.add(c30, v128.load(o3));
    c31 = f32x4.add(c31, v128.load(o3, 16));
  }
  v128.store(out, c00);
  v128.store(out, c01, 16);
  v128.store(o1, c10);
  v128.store(o1, c11, 16);
  v128.store(o2, c20);
  v128.store(o2, c21, 16);
  v128.store(o3, c30);
  v128.store(o3, c31, 16);
}

/**
 * c[m×n] (+)= op(a)[m×k] · op(b)[k×n], all row-major and contiguous; a transposed operand is stored as its transpose.
 * Pointers are 4-byte aligned; `scratch` has scratchBytes().
 */
export function gemm(
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  transposeA: bool,
  b: usize,
  transposeB: bool,
  c: usize,
  accumulate: bool,
  scratch: usize,
): void {
  const aStepRow: usize = transposeA ? 4 : (<usize>k) << 2;
  const aStepK: usize = transposeA ? (<usize>m) << 2 : 4;
  const bStepK: usize = transposeB ? 4 : (<usize>n) << 2;
  const bStepColumn: usize = transposeB ? (<usize>k) << 2 : 4;
  const cStride = (<usize>n) << 2;
  const packedA = scratch;
  const packedB = scratch + ((<usize>(KC * MC)) << 2);
  const edge = packedB + ((<usize>(KC * NC)) << 2);
  for (let n0: i32 = 0; n0 < n; n0 += NC) {
    const nc = min(NC, n - n0);
    for (let k0: i32 = 0; k0 < k; k0 += KC) {
      const kc = min(KC, k - k0);
      const add = accumulate || k0 > 0;
      for (let j: i32 = 0; j < nc; j += 8) {
        packB(
          b + <usize>k0 * bStepK + <usize>(n0 + j) * bStepColumn,
          bStepK,
          bStepColumn,
          min(8, nc - j),
          kc,
          packedB + ((<usize>(j * kc)) << 2),
        );
      }
      for (let m0: i32 = 0; m0 < m; m0 += MC) {
        const mc = min(MC, m - m0);
        for (let i: i32 = 0; i < mc; i += 4) {
          packA(
            a + <usize>(m0 + i) * aStepRow + <usize>k0 * aStepK,
            aStepRow,
            aStepK,
            min(4, mc - i),
            kc,
            packedA + ((<usize>(i * kc)) << 2),
          );
        }
        for (let j: i32 = 0; j < nc; j += 8) {
          const pb = packedB + ((<usize>(j * kc)) << 2);
          const columns = min(8, nc - j);
          for (let i: i32 = 0; i < mc; i += 4) {
            const pa = packedA + ((<usize>(i * kc)) << 2);
            const rows = min(4, mc - i);
            const out = c + <usize>(m0 + i) * cStride + ((<usize>(n0 + j)) << 2);
            if (rows === 4 && columns === 8) {
              tile(pa, pb, kc, out, cStride, add);
              continue;
            }
            tile(pa, pb, kc, edge, 32, false);
            for (let r: i32 = 0; r < rows; r++) {
              for (let x: i32 = 0; x < columns; x++) {
                const value = f32.load(edge + ((<usize>(r * 8 + x)) << 2));
                const at = out + <usize>r * cStride + ((<usize>x) << 2);
                f32.store(at, add ? f32.load(at) + value : value);
              }
            }
          }
        }
      }
    }
  }
}
