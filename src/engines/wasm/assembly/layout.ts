/** Kernels that only move bytes: padded copies, int16 widening, strided copies, row gathers, weight packing at run time. */

/**
 * A padded copy of NHWC rows. `geometry` (i32): batch 0, height 4, rowBytes 8, top 12, bottom 16, leftBytes 20, rightBytes 24; the
 * border is filled with the byte `fill`.
 */
export function any_pad_rows__wasm_simd(x: usize, c: usize, geometry: usize, fill: i32): void {
  const height = load<i32>(geometry, 4);
  const rowBytes: usize = load<i32>(geometry, 8);
  const left: usize = load<i32>(geometry, 20);
  const right: usize = load<i32>(geometry, 24);
  const stride = left + rowBytes + right;
  const top: usize = stride * load<i32>(geometry, 12);
  const bottom: usize = stride * load<i32>(geometry, 16);
  const value: u8 = <u8>fill;
  for (let image = load<i32>(geometry); image > 0; image--) {
    memory.fill(c, value, top);
    c += top;
    for (let y = 0; y < height; y++) {
      memory.fill(c, value, left);
      memory.copy(c + left, x, rowBytes);
      memory.fill(c + left + rowBytes, value, right);
      x += rowBytes;
      c += stride;
    }
    memory.fill(c, value, bottom);
    c += bottom;
  }
}

export function any_fill_bytes__wasm_simd(c: usize, bytes: usize, value: i32): void {
  memory.fill(c, <u8>value, bytes);
}

/** q - zeroPoint as int16, `count` elements; reads and writes up to 7 elements further. */
export function widen(x: usize, c: usize, count: usize, zeroPoint: v128, isSigned: i32): void {
  const end = x + count;
  if (isSigned) {
    for (; x < end; x += 8) {
      v128.store(c, i16x8.sub(v128.load8x8_s(x), zeroPoint));
      c += 16;
    }
  } else {
    for (; x < end; x += 8) {
      v128.store(c, i16x8.sub(v128.load8x8_u(x), zeroPoint));
      c += 16;
    }
  }
}

/** An even number of zero bytes; memory.fill is a call out of the module, which costs as much as a short row. */
export function clear(c: usize, bytes: usize): void {
  const end = c + bytes;
  for (; c + 16 <= end; c += 16) v128.store(c, i32x4.splat(0));
  for (; c < end; c += 2) store<u16>(c, 0);
}

/** As any_pad_rows, from 8-bit rows to int16 rows with the zero point taken off, so the border is 0. Byte counts are of the 8-bit side. */
export function i8_widen_rows__wasm_simd(x: usize, c: usize, geometry: usize, zeroPoint: i32, isSigned: i32): void {
  const height = load<i32>(geometry, 4);
  const row: usize = load<i32>(geometry, 8);
  const left: usize = load<i32>(geometry, 20);
  const right: usize = load<i32>(geometry, 24);
  const stride = 2 * (left + row + right);
  const between = 2 * (right + left);
  const top: usize = stride * load<i32>(geometry, 12);
  const bottom: usize = stride * load<i32>(geometry, 16);
  const zero = i16x8.splat(<i16>zeroPoint);
  for (let image = load<i32>(geometry); image > 0; image--) {
    clear(c, top + 2 * left);
    c += top + 2 * left;
    for (let y = 1; y < height; y++) {
      widen(x, c, row, zero, isSigned);
      // The right border of a row and the left one of the next lie side by side.
      if (between > 0) clear(c + 2 * row, between);
      x += row;
      c += stride;
    }
    widen(x, c, row, zero, isSigned);
    clear(c + 2 * row, 2 * right + bottom);
    x += row;
    c += 2 * (row + right) + bottom;
  }
}

// @ts-ignore: decorator
@inline
function widen8(x: usize, zeroPoint: v128, isSigned: i32): v128 {
  return i16x8.sub(isSigned ? v128.load8x8_s(x) : v128.load8x8_u(x), zeroPoint);
}

/** Four pointers, `count` bytes each → [count][4] int16 at `c`; writes up to 7 × 4 elements further. */
function interleave4(x0: usize, x1: usize, x2: usize, x3: usize, c: usize, count: usize, zeroPoint: v128, isSigned: i32): void {
  for (let k: usize = 0; k < count; k += 8) {
    const a = widen8(x0 + k, zeroPoint, isSigned);
    const b = widen8(x1 + k, zeroPoint, isSigned);
    const d = widen8(x2 + k, zeroPoint, isSigned);
    const e = widen8(x3 + k, zeroPoint, isSigned);
    const ab0 = i8x16.shuffle(a, b, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
    const ab1 = i8x16.shuffle(a, b, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
    const de0 = i8x16.shuffle(d, e, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
    const de1 = i8x16.shuffle(d, e, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
    v128.store(c, v128.shuffle<i32>(ab0, de0, 0, 4, 1, 5));
    v128.store(c, v128.shuffle<i32>(ab0, de0, 2, 6, 3, 7), 16);
    v128.store(c, v128.shuffle<i32>(ab1, de1, 0, 4, 1, 5), 32);
    v128.store(c, v128.shuffle<i32>(ab1, de1, 2, 6, 3, 7), 48);
    c += 64;
  }
}

/** One block of 4 output pixels as [K][4] int16: the windows that `table` and `segments` describe, zero point taken off. */
export function gatherBlock4(
  a: usize,
  table: usize,
  segments: usize,
  segmentCount: usize,
  segmentBytes: usize,
  c: usize,
  zeroPoint: v128,
  isSigned: i32,
): void {
  const x0 = a + load<u32>(table);
  const x1 = a + load<u32>(table, 4);
  const x2 = a + load<u32>(table, 8);
  const x3 = a + load<u32>(table, 12);
  for (let s: usize = 0; s < segmentCount; s++) {
    const shift: usize = load<u32>(segments + s * 4);
    interleave4(x0 + shift, x1 + shift, x2 + shift, x3 + shift, c, segmentBytes, zeroPoint, isSigned);
    c += segmentBytes * 8;
  }
}

/** `count` rows of `rowBytes`, from and to any strides: concat, split, row slices. */
export function any_copy_rows__wasm_simd(x: usize, xStride: usize, c: usize, cStride: usize, rowBytes: usize, count: usize): void {
  if (rowBytes == 4) {
    for (; count > 0; count--) {
      store<u32>(c, load<u32>(x));
      x += xStride;
      c += cStride;
    }
    return;
  }
  for (; count > 0; count--) {
    memory.copy(c, x, rowBytes);
    x += xStride;
    c += cStride;
  }
}

/** Row i of the output is `rowBytes` at byte offset table[i] of the input: gather, nearest resize. */
export function any_gather_rows__wasm_simd(x: usize, table: usize, c: usize, rowBytes: usize, count: usize): void {
  for (let i: usize = 0; i < count; i++) {
    const from: usize = x + load<u32>(table + i * 4);
    if (rowBytes == 1) store<u8>(c, load<u8>(from));
    else if (rowBytes == 4) store<u32>(c, load<u32>(from));
    else memory.copy(c, from, rowBytes);
    c += rowBytes;
  }
}

/**
 * Copy between two strided views of one shape with 5 loop dimensions: transpose, slice, expand, pad interior. `plan` (i32): elementBytes 0,
 * then dims 4..20, input byte strides 24..40, output byte strides 44..60, innermost last.
 */
export function any_copy_strided__wasm_simd(x: usize, c: usize, plan: usize): void {
  const size = load<i32>(plan);
  const n4 = load<i32>(plan, 20);
  const xs4: usize = load<i32>(plan, 40);
  const cs4: usize = load<i32>(plan, 60);
  for (let i0 = 0; i0 < load<i32>(plan, 4); i0++) {
    for (let i1 = 0; i1 < load<i32>(plan, 8); i1++) {
      for (let i2 = 0; i2 < load<i32>(plan, 12); i2++) {
        let p = x + i0 * load<i32>(plan, 24) + i1 * load<i32>(plan, 28) + i2 * load<i32>(plan, 32);
        let q = c + i0 * load<i32>(plan, 44) + i1 * load<i32>(plan, 48) + i2 * load<i32>(plan, 52);
        for (let i3 = 0; i3 < load<i32>(plan, 16); i3++) {
          copyRun(p, xs4, q, cs4, n4, size);
          p += load<i32>(plan, 36);
          q += load<i32>(plan, 56);
        }
      }
    }
  }
}

function copyRun(p: usize, xs: usize, q: usize, cs: usize, n: i32, size: i32): void {
  if (xs == <usize>size && cs == <usize>size) {
    memory.copy(q, p, n * size);
    return;
  }
  if (size == 4) {
    for (; n > 0; n--) {
      store<u32>(q, load<u32>(p));
      p += xs;
      q += cs;
    }
  } else if (size == 1) {
    for (; n > 0; n--) {
      store<u8>(q, load<u8>(p));
      p += xs;
      q += cs;
    }
  } else if (size == 8) {
    for (; n > 0; n--) {
      store<u64>(q, load<u64>(p));
      p += xs;
      q += cs;
    }
  } else {
    for (; n > 0; n--) {
      store<u16>(q, load<u16>(p));
      p += xs;
      q += cs;
    }
  }
}

/** `batch` matrices [rows][columns] → [columns][rows], 32-bit elements, 4×4 at a time; rows `xStride` and `cStride` bytes apart. */
export function any_transpose_4x4__wasm_simd(
  x: usize,
  xStride: usize,
  c: usize,
  cStride: usize,
  batch: usize,
  rows: usize,
  columns: usize,
): void {
  for (; batch > 0; batch--) {
    let i: usize = 0;
    for (; i + 4 <= rows; i += 4) {
      let p = x + i * xStride;
      let q = c + i * 4;
      let j: usize = 0;
      for (; j + 4 <= columns; j += 4) {
        const r0 = v128.load(p);
        const r1 = v128.load(p + xStride);
        const r2 = v128.load(p + 2 * xStride);
        const r3 = v128.load(p + 3 * xStride);
        const a = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
        const b = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
        const d = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
        const e = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
        v128.store(q, v128.shuffle<i64>(a, d, 0, 2));
        v128.store(q + cStride, v128.shuffle<i64>(a, d, 1, 3));
        v128.store(q + 2 * cStride, v128.shuffle<i64>(b, e, 0, 2));
        v128.store(q + 3 * cStride, v128.shuffle<i64>(b, e, 1, 3));
        p += 16;
        q += 4 * cStride;
      }
      for (; j < columns; j++) {
        store<u32>(q, load<u32>(p));
        store<u32>(q, load<u32>(p + xStride), 4);
        store<u32>(q, load<u32>(p + 2 * xStride), 8);
        store<u32>(q, load<u32>(p + 3 * xStride), 12);
        p += 4;
        q += cStride;
      }
    }
    for (; i < rows; i++) {
      for (let j: usize = 0; j < columns; j++) store<u32>(c + j * cStride + i * 4, load<u32>(x + i * xStride + j * 4));
    }
    x += rows * xStride;
    c += columns * cStride;
  }
}

/** A matrix [K][N] at any byte strides → panels of 8 columns, bias zero: the right operand of a product of two activations. */
export function f32_pack_panels__wasm_simd(x: usize, kStride: usize, nStride: usize, c: usize, k: usize, n: usize): void {
  for (let j: usize = 0; j < n; j += 8) {
    v128.store(c, i32x4.splat(0));
    v128.store(c, i32x4.splat(0), 16);
    c += 32;
    let p = x + j * nStride;
    if (n - j >= 8 && nStride == 4) {
      for (let i: usize = 0; i < k; i++) {
        v128.store(c, v128.load(p));
        v128.store(c, v128.load(p, 16), 16);
        p += kStride;
        c += 32;
      }
    } else {
      for (let i: usize = 0; i < k; i++) {
        for (let t: usize = 0; t < 8; t++) store<f32>(c + t * 4, t < n - j ? load<f32>(p + t * nStride) : 0);
        p += kStride;
        c += 32;
      }
    }
  }
}
