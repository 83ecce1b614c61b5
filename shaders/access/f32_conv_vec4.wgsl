// A is an image whose channels, in every group, are a multiple of four. Units are values.
// #include common/conv_rows.wgsl
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;

fn load_run(run: Run, j4: u32) -> vec4<f32> {
  let x = run.x + i32(j4) * 4;
  let valid = run.inside & (x >= 0) & (x < params.line);
  return select(vec4<f32>(0.0), a[u32(select(0, run.line + x, valid)) / 4u], valid);
}

fn load_a(row: Row, k4: u32) -> vec4<f32> {
  let segment = k4 / params.run4;
  return load_run(run_of(row, segment / params.segments_x, segment % params.segments_x), k4 % params.run4);
}
