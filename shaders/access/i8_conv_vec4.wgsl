// A is an image of bytes whose channels, in every group, are multiples of sixteen, so that sixteen bytes are inside or outside as one. Units
// are words, read four at once; padding reads the zero point.
// #include common/conv_rows.wgsl
@group(0) @binding(2) var<storage, read> a: array<vec4<u32>>;

fn load_a16(row: Row, k16: u32) -> vec4<u32> {
  let k4 = k16 * 4u;
  let segment = k4 / params.run4;
  let run = run_of(row, segment / params.segments_x, segment % params.segments_x);
  let x = run.x + i32(k4 % params.run4);
  let valid = run.inside & (x >= 0) & (x < params.line);
  return select(vec4<u32>(params.pad_word), a[u32(select(0, run.line + x, valid)) / 4u], valid);
}
