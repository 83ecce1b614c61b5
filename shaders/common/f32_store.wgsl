// Writes four neighbouring columns of one output row, or those of them that there are.
// #include common/f32_finish.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

override FIT_MN: bool = false;  // tiles cover the output exactly, and so do the threads: nothing to check

fn store(m: u32, n: u32, column: u32, v: vec4<f32>) {
  let at = m * params.out_stride + column + n;
  if (FIT_MN) {
    let r = finish(v, at);
    out[at] = r.x;
    out[at + 1u] = r.y;
    out[at + 2u] = r.z;
    out[at + 3u] = r.w;
  } else if (m < params.m && n < params.n) {
    let r = finish(v, at);
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
}
