// Scales int32 sums of four neighbouring columns back to float32 and writes them: × (input's scale × weights'), rounded, + bias, rounded.
// #include common/activation.wgsl
// #include common/dynamic_grid.wgsl
struct Columns {
  bias: vec4<i32>,   // where sums start: 0
  scale: vec4<f32>,  // of the weights
  sums: vec4<i32>,   // of the weights: times the input's zero point it is taken off
  shift: vec4<f32>,  // bias
};
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read> columns: array<Columns>;
@group(0) @binding(5) var<storage, read> grid: Grid;

fn apart(v: vec4<f32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(bitcast<vec4<u32>>(v) ^ vec4<u32>(grid.barrier));
}

fn store(m: u32, n4: u32, column4: u32, acc: vec4<i32>, scale: vec4<f32>) {
  if (m >= params.m || n4 >= params.n4) {
    return;
  }
  let column = columns[column4 + n4];
  let sum = acc - vec4<i32>(grid.zero) * column.sums;
  let step = apart(vec4<f32>(grid.scale) * scale);
  let v = apart(vec4<f32>(sum) * step) + column.shift;
  let r = activate(v, params.activation, params.lo, params.hi);
  let n = n4 * 4u;
  let at = m * params.out_stride + column4 / params.n4 * params.n + n;
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
