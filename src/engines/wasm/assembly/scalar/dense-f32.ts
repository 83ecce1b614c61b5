/**
 * float32 convolutions and products: 2 windows × 4 outputs in registers. Windows by a table of byte offsets and a list of segment offsets, as
 * in ../gen/dense-f32.ts; weights in panels [N / 4][bias 4, then K × 4].
 */
import { activate } from "./common";

function storeRow(c: usize, c0: f32, c1: f32, c2: f32, c3: f32, columns: usize, act: usize, post: usize): void {
  store<f32>(c, activate(c0, act, post));
  if (columns > 1) store<f32>(c, activate(c1, act, post), 4);
  if (columns > 2) store<f32>(c, activate(c2, act, post), 8);
  if (columns > 3) store<f32>(c, activate(c3, act, post), 12);
}

function tile2(
  q0: usize,
  q1: usize,
  segments: usize,
  end: usize,
  k: usize,
  w: usize,
  c: usize,
  ldc: usize,
  columns: usize,
  act: usize,
  post: usize,
): void {
  let a0 = load<f32>(w);
  let a1 = load<f32>(w, 4);
  let a2 = load<f32>(w, 8);
  let a3 = load<f32>(w, 12);
  let b0 = a0;
  let b1 = a1;
  let b2 = a2;
  let b3 = a3;
  w += 16;
  do {
    const shift = load<u32>(segments);
    let p0 = q0 + shift;
    let p1 = q1 + shift;
    let i = k;
    do {
      const x0 = load<f32>(p0);
      const x1 = load<f32>(p1);
      const w0 = load<f32>(w);
      a0 += x0 * w0;
      b0 += x1 * w0;
      const w1 = load<f32>(w, 4);
      a1 += x0 * w1;
      b1 += x1 * w1;
      const w2 = load<f32>(w, 8);
      a2 += x0 * w2;
      b2 += x1 * w2;
      const w3 = load<f32>(w, 12);
      a3 += x0 * w3;
      b3 += x1 * w3;
      p0 += 4;
      p1 += 4;
      w += 16;
    } while (--i);
    segments += 4;
  } while (segments < end);
  storeRow(c, a0, a1, a2, a3, columns, act, post);
  storeRow(c + ldc, b0, b1, b2, b3, columns, act, post);
}

function tile1(q0: usize, segments: usize, end: usize, k: usize, w: usize, c: usize, columns: usize, act: usize, post: usize): void {
  let a0 = load<f32>(w);
  let a1 = load<f32>(w, 4);
  let a2 = load<f32>(w, 8);
  let a3 = load<f32>(w, 12);
  w += 16;
  do {
    let p0 = q0 + load<u32>(segments);
    let i = k;
    do {
      const x0 = load<f32>(p0);
      a0 += x0 * load<f32>(w);
      a1 += x0 * load<f32>(w, 4);
      a2 += x0 * load<f32>(w, 8);
      a3 += x0 * load<f32>(w, 12);
      p0 += 4;
      w += 16;
    } while (--i);
    segments += 4;
  } while (segments < end);
  storeRow(c, a0, a1, a2, a3, columns, act, post);
}

/** Arguments as f32_conv_indirect_4x8__wasm_simd. */
export function f32_conv_indirect_2x4__wasm_scalar(
  a: usize,
  table: usize,
  segments: usize,
  segmentCount: usize,
  k: usize,
  w: usize,
  c: usize,
  ldc: usize,
  m: usize,
  n: usize,
  mb: usize,
  act: usize,
  post: usize,
): void {
  const panelBytes: usize = 16 + k * segmentCount * 16;
  const end = segments + segmentCount * 4;
  for (let m0: usize = 0; m0 < m; m0 += mb) {
    const m1 = min(m, m0 + mb);
    let w0 = w;
    for (let j: usize = 0; j < n; j += 4) {
      const c0 = c + j * 4;
      let i = m0;
      for (; i + 2 <= m1; i += 2) {
        const at = table + i * 4;
        tile2(a + load<u32>(at), a + load<u32>(at, 4), segments, end, k, w0, c0 + i * ldc, ldc, n - j, act, post);
      }
      if (i < m1) tile1(a + load<u32>(table + i * 4), segments, end, k, w0, c0 + i * ldc, n - j, act, post);
      w0 += panelBytes;
    }
  }
}
