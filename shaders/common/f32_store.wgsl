// Writes up to four neighbouring columns of one output row.
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

fn store(m: u32, n: u32, column: u32, v: vec4<f32>) {
  if (m >= params.m || n >= params.n) {
    return;
  }
  let r = activate(v, params.activation, params.lo, params.hi);
  let at = m * params.out_stride + column + n;
  out[at] = r.x;
  if (n + 1u < params.n) {
    out[at + 1u] = r.y;
  }
  if (n + 2u < params.n) {
    out[at + 2u] = r.z;
  }
  if (n + 3u < params.n) {
    out[at + 3u] = r.w;
  }
}
