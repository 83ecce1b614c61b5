// int16 activations, one a word: src/graph/int16.ts has the rules.

// 256 × high + low as float32, rounded once, half to even: a conversion of WGSL may go either way.
fn wide_to_f32(high: i32, low: i32) -> f32 {
  let h = high + (low >> 8u);
  let l = u32(low) & 255u;
  // The magnitude is 256 × top + rest.
  let borrow = h < 0 && l > 0u;
  let top = select(u32(abs(h)), u32(abs(h)) - 1u, borrow);
  let rest = select(l, 256u - l, borrow);
  var magnitude = f32((top << 8u) | rest);
  if (top >= 65536u) {
    let drop = 16u - countLeadingZeros(top);
    var kept = (top << (8u - min(drop, 8u))) | (rest >> min(drop, 8u));
    var dropped = rest & ((1u << min(drop, 8u)) - 1u);
    if (drop > 8u) {
      kept = top >> (drop - 8u);
      dropped = ((top & ((1u << (drop - 8u)) - 1u)) << 8u) | rest;
    }
    let half = 1u << (drop - 1u);
    kept += select(0u, 1u, dropped > half || (dropped == half && (kept & 1u) == 1u));
    magnitude = f32(kept) * f32(1u << drop);
  }
  return select(magnitude, -magnitude, h < 0);
}

// An int32, rounded alike.
fn to_f32(v: i32) -> f32 {
  return wide_to_f32(v >> 8u, v & 255);
}

// The first clamp only keeps the conversion in range: beyond it every result saturates anyway.
fn to_grid(v: f32, lo: i32, hi: i32) -> i32 {
  return clamp(i32(clamp(round(v), -65536.0, 65536.0)), lo, hi);
}
