// A is an image whose channels, in every group, are a multiple of four. Units are values.
// #include common/conv_rows.wgsl
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;

fn load_run(run: Run, j4: u32) -> vec4<f32> {
  let x = run.x + i32(j4) * 4;
  if (run.inside && x >= 0 && x < params.line) {
    return a[u32(run.line + x) / 4u];
  }
  return vec4<f32>(0.0);
}

fn load_a(row: Row, k4: u32) -> vec4<f32> {
  let segment = k4 / params.run4;
  return load_run(run_of(row, segment / params.segments_x, segment % params.segments_x), k4 % params.run4);
}
