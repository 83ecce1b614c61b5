/**
 * AssemblyScript, not TypeScript: elementwise and per-channel passes over [rows, channels], four channels at a time with a scalar
 * tail. Sums run in float32 over at most 256 rows before they go to the total, which keeps their error near one unit in the last
 * place of a 256-term sum.
 */

const CHUNK: i32 = 256;

export function clamp(n: i32, x: usize, max: f32): void {
  const zero = f32x4.splat(0);
  const top = f32x4.splat(max);
  let i: i32 = 0;
  for (; i <= n - 4; i += 4, x += 16) v128.store(x, f32x4.min(f32x4.max(v128.load(x), zero), top));
  for (; i < n; i++, x += 4) f32.store(x, min<f32>(Mathf.max(f32.load(x), 0), max));
}

/** dy = 0 wherever the clamped output y touches a bound. */
export function clampGradient(n: i32, y: usize, dy: usize, max: f32): void {
  const zero = f32x4.splat(0);
  const top = f32x4.splat(max);
  let i: i32 = 0;
  for (; i <= n - 4; i += 4, y += 16, dy += 16) {
    const v = v128.load(y);
    v128.store(dy, v128.and(v128.load(dy), v128.and(f32x4.gt(v, zero), f32x4.lt(v, top))));
  }
  for (; i < n; i++, y += 4, dy += 4) {
    const v = f32.load(y);
    if (v <= 0 || v >= max) f32.store(dy, 0);
  }
}

/** mean[c] and biased variance[c] over rows. `scratch` has room for `channels` elements. */
export function moments(rows: i32, channels: i32, x: usize, mean: usize, variance: usize, scratch: usize): void {
  const bytes = (<usize>channels) << 2;
  memory.fill(mean, 0, bytes);
  memory.fill(variance, 0, bytes);
  const inverse: f32 = <f32>(1.0 / <f64>rows);
  for (let r0: i32 = 0; r0 < rows; r0 += CHUNK) {
    memory.fill(scratch, 0, bytes);
    const end = min(r0 + CHUNK, rows);
    for (let r = r0; r < end; r++) {
      let at = x + <usize>r * bytes;
      let c: usize = 0;
      for (; c + 16 <= bytes; c += 16, at += 16) v128.store(scratch + c, f32x4.add(v128.load(scratch + c), v128.load(at)));
      for (; c < bytes; c += 4, at += 4) f32.store(scratch + c, f32.load(scratch + c) + f32.load(at));
    }
    for (let c: usize = 0; c < bytes; c += 4) f32.store(mean + c, f32.load(mean + c) + f32.load(scratch + c) * inverse);
  }
  for (let r0: i32 = 0; r0 < rows; r0 += CHUNK) {
    memory.fill(scratch, 0, bytes);
    const end = min(r0 + CHUNK, rows);
    for (let r = r0; r < end; r++) {
      let at = x + <usize>r * bytes;
      let c: usize = 0;
      for (; c + 16 <= bytes; c += 16, at += 16) {
        const d = f32x4.sub(v128.load(at), v128.load(mean + c));
        v128.store(scratch + c, f32x4.add(v128.load(scratch + c), f32x4.mul(d, d)));
      }
      for (; c < bytes; c += 4, at += 4) {
        const d = f32.load(at) - f32.load(mean + c);
        f32.store(scratch + c, f32.load(scratch + c) + d * d);
      }
    }
    for (let c: usize = 0; c < bytes; c += 4) f32.store(variance + c, f32.load(variance + c) + f32.load(scratch + c) * inverse);
  }
}

/** y = x * scale[c] + offset[c] */
export function affine(rows: i32, channels: i32, x: usize, scale: usize, offset: usize, y: usize): void {
  const bytes = (<usize>channels) << 2;
  for (let r: i32 = 0; r < rows; r++) {
    let c: usize = 0;
    for (; c + 16 <= bytes; c += 16, x += 16, y += 16) {
      v128.store(y, f32x4.add(f32x4.mul(v128.load(x), v128.load(scale + c)), v128.load(offset + c)));
    }
    for (; c < bytes; c += 4, x += 4, y += 4) f32.store(y, f32.load(x) * f32.load(scale + c) + f32.load(offset + c));
  }
}

/** sum[c] = Σ dy, product[c] = Σ dy · (x - mean[c]). `scratch` has room for 2 · channels elements. */
export function gradientSums(rows: i32, channels: i32, x: usize, mean: usize, dy: usize, sum: usize, product: usize, scratch: usize): void {
  const bytes = (<usize>channels) << 2;
  const partial = scratch + bytes;
  memory.fill(sum, 0, bytes);
  memory.fill(product, 0, bytes);
  for (let r0: i32 = 0; r0 < rows; r0 += CHUNK) {
    memory.fill(scratch, 0, bytes << 1);
    const end = min(r0 + CHUNK, rows);
    for (let r = r0; r < end; r++) {
      const offset = <usize>r * bytes;
      let c: usize = 0;
      for (; c + 16 <= bytes; c += 16) {
        const d = v128.load(dy + offset + c);
        const centred = f32x4.sub(v128.load(x + offset + c), v128.load(mean + c));
        v128.store(scratch + c, f32x4.add(v128.load(scratch + c), d));
        v128.store(partial + c, f32x4.add(v128.load(partial + c), f32x4.mul(d, centred)));
      }
      for (; c < bytes; c += 4) {
        const d = f32.load(dy + offset + c);
        f32.store(scratch + c, f32.load(scratch + c) + d);
        f32.store(partial + c, f32.load(partial + c) + d * (f32.load(x + offset + c) - f32.load(mean + c)));
      }
    }
    for (let c: usize = 0; c < bytes; c += 4) {
      f32.store(sum + c, f32.load(sum + c) + f32.load(scratch + c));
      f32.store(product + c, f32.load(product + c) + f32.load(partial + c));
    }
  }
}

/** dx = dy * scale[c] - x * slope[c] - offset[c] */
export function combine(rows: i32, channels: i32, dy: usize, scale: usize, x: usize, slope: usize, offset: usize, dx: usize): void {
  const bytes = (<usize>channels) << 2;
  for (let r: i32 = 0; r < rows; r++) {
    let c: usize = 0;
    for (; c + 16 <= bytes; c += 16, x += 16, dy += 16, dx += 16) {
      const scaled = f32x4.sub(f32x4.mul(v128.load(dy), v128.load(scale + c)), f32x4.mul(v128.load(x), v128.load(slope + c)));
      v128.store(dx, f32x4.sub(scaled, v128.load(offset + c)));
    }
    for (; c < bytes; c += 4, x += 4, dy += 4, dx += 4) {
      f32.store(dx, f32.load(dy) * f32.load(scale + c) - f32.load(x) * f32.load(slope + c) - f32.load(offset + c));
    }
  }
}
