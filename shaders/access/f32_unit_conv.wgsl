// Four consecutive channels of an image by position in the window: the line's offset (dilation included) in the upper 8 bits, the offset
// of the first value inside the line in the lower 24. Channels, in every group, are a multiple of four.
// #include common/conv_rows.wgsl
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;

fn gather(row: Row, position: u32) -> vec4<f32> {
  let y = row.y + i32(position >> 24u);
  let x = row.x + i32(position & 0xffffffu);
  let valid = (y >= 0) & (y < params.in_h) & (x >= 0) & (x < params.line);
  return select(vec4<f32>(0.0), a[u32(select(0, row.image + y * params.line + x, valid)) / 4u], valid);
}
