/**
 * Blocks of neighbouring output pixels for the pixel-tiled sparse kernels: the windows of a block, pixels innermost, so that one index
 * reaches an input of all of them. The transposition happens a block at a time, in level-1 cache, and no other kernel sees the layout.
 */

/** 4 windows of float32 → [K][4] at `c`, rows `rowBytes` apart; writes up to 3 rows further. `run` in elements. */
export function gatherPixels4(
  a: usize,
  table: usize,
  segments: usize,
  segmentCount: usize,
  run: usize,
  c: usize,
  rowBytes: usize,
): void {
  const q0 = a + load<u32>(table);
  const q1 = a + load<u32>(table, 4);
  const q2 = a + load<u32>(table, 8);
  const q3 = a + load<u32>(table, 12);
  const end = segments + segmentCount * 4;
  for (; segments < end; segments += 4) {
    const shift: usize = load<u32>(segments);
    let to = c;
    for (let i: usize = 0; i < run; i += 4) {
      const from = shift + i * 4;
      const r0 = v128.load(q0 + from);
      const r1 = v128.load(q1 + from);
      const r2 = v128.load(q2 + from);
      const r3 = v128.load(q3 + from);
      const s0 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
      const s1 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
      const s2 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
      const s3 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<i64>(s0, s2, 0, 2));
      v128.store(to + rowBytes, v128.shuffle<i64>(s0, s2, 1, 3));
      to += 2 * rowBytes;
      v128.store(to, v128.shuffle<i64>(s1, s3, 0, 2));
      v128.store(to + rowBytes, v128.shuffle<i64>(s1, s3, 1, 3));
      to += 2 * rowBytes;
    }
    c += run * rowBytes;
  }
}

/** Two inputs of 8 pixels as int16, the second row `rowBytes` behind the first. */
// @ts-ignore: decorator
@inline
function storeWide(c: usize, rowBytes: usize, bytes: v128, isSigned: i32): void {
  v128.store(c, isSigned ? i16x8.extend_low_i8x16_s(bytes) : i16x8.extend_low_i8x16_u(bytes));
  v128.store(c + rowBytes, isSigned ? i16x8.extend_high_i8x16_s(bytes) : i16x8.extend_high_i8x16_u(bytes));
}

/** 8 windows of bytes → [K][8] int16 at `c`, zero point kept, rows `rowBytes` apart; writes up to 7 rows further. `run` in elements. */
export function gatherBytes8(
  a: usize,
  table: usize,
  segments: usize,
  segmentCount: usize,
  run: usize,
  c: usize,
  rowBytes: usize,
  isSigned: i32,
): void {
  const end = segments + segmentCount * 4;
  for (; segments < end; segments += 4) {
    const from = a + load<u32>(segments);
    let to = c;
    for (let i: usize = 0; i < run; i += 8) {
      const x = from + i;
      const r0 = v128.load64_zero(x + load<u32>(table));
      const r1 = v128.load64_zero(x + load<u32>(table, 4));
      const r2 = v128.load64_zero(x + load<u32>(table, 8));
      const r3 = v128.load64_zero(x + load<u32>(table, 12));
      const r4 = v128.load64_zero(x + load<u32>(table, 16));
      const r5 = v128.load64_zero(x + load<u32>(table, 20));
      const r6 = v128.load64_zero(x + load<u32>(table, 24));
      const r7 = v128.load64_zero(x + load<u32>(table, 28));
      const s0 = i8x16.shuffle(r0, r1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const s1 = i8x16.shuffle(r2, r3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const s2 = i8x16.shuffle(r4, r5, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const s3 = i8x16.shuffle(r6, r7, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const t0 = i8x16.shuffle(s0, s1, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
      const t1 = i8x16.shuffle(s0, s1, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
      const t2 = i8x16.shuffle(s2, s3, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
      const t3 = i8x16.shuffle(s2, s3, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
      storeWide(to, rowBytes, v128.shuffle<i32>(t0, t2, 0, 4, 1, 5), isSigned);
      to += 2 * rowBytes;
      storeWide(to, rowBytes, v128.shuffle<i32>(t0, t2, 2, 6, 3, 7), isSigned);
      to += 2 * rowBytes;
      storeWide(to, rowBytes, v128.shuffle<i32>(t1, t3, 0, 4, 1, 5), isSigned);
      to += 2 * rowBytes;
      storeWide(to, rowBytes, v128.shuffle<i32>(t1, t3, 2, 6, 3, 7), isSigned);
      to += 2 * rowBytes;
    }
    c += run * rowBytes;
  }
}
