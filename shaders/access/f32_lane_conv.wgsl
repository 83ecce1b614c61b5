// Single values of an image with any number of channels, for threads that share them. Units are values.
// #include common/conv_rows.wgsl
@group(0) @binding(2) var<storage, read> a: array<f32>;

override FIT_K: bool = false;  // no padding, and runs are multiples of four: every position is inside

// The tail of a run reads its neighbour's values; the weights there are zero.
fn load_lane(run: Run, k: u32) -> f32 {
  let x = run.x + i32(k);
  if (FIT_K) {
    return a[u32(run.line + x)];
  }
  let valid = run.inside & (x >= 0) & (x < params.line);
  return select(0.0, a[u32(select(0, run.line + x, valid))], valid);
}
