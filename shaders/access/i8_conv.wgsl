// A is an image of bytes whose pixels start words; a group's channels are a multiple of four. Units are words; padding reads the zero point.
// #include common/conv_rows.wgsl
@group(0) @binding(2) var<storage, read> a: array<u32>;

fn load_run(run: Run, j4: u32) -> u32 {
  let x = run.x + i32(j4);
  let valid = run.inside & (x >= 0) & (x < params.line);
  return select(params.pad_word, a[u32(select(0, run.line + x, valid))], valid);
}

fn load_a(row: Row, k4: u32) -> u32 {
  let segment = k4 / params.run4;
  return load_run(run_of(row, segment / params.segments_x, segment % params.segments_x), k4 % params.run4);
}
