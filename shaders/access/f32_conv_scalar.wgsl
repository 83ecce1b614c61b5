// A is an image with any number of channels. Units are values.
// #include common/conv_rows.wgsl
@group(0) @binding(2) var<storage, read> a: array<f32>;

// The tail of a run reads its neighbour's values; the weights there are zero.
fn load_run(run: Run, j4: u32) -> vec4<f32> {
  let x = vec4<i32>(run.x + i32(j4) * 4) + vec4<i32>(0, 1, 2, 3);
  let valid = (x >= vec4<i32>(0)) & (x < vec4<i32>(params.line)) & vec4<bool>(run.inside);
  let at = vec4<u32>(select(vec4<i32>(0), vec4<i32>(run.line) + x, valid));
  return select(vec4<f32>(0.0), vec4<f32>(a[at.x], a[at.y], a[at.z], a[at.w]), valid);
}

fn load_a(row: Row, k4: u32) -> vec4<f32> {
  let segment = k4 / params.run4;
  return load_run(run_of(row, segment / params.segments_x, segment % params.segments_x), k4 % params.run4);
}
