// One word (four channels) of an image of bytes by position in the window, which counts bytes (see f32_unit_conv). Units are words;
// padding reads the zero point.
// #include common/conv_rows.wgsl
@group(0) @binding(2) var<storage, read> a: array<u32>;

fn gather(row: Row, position: u32) -> u32 {
  let y = row.y + i32(position >> 24u);
  let x = row.x + i32((position & 0xffffffu) / 4u);
  let valid = (y >= 0) & (y < params.in_h) & (x >= 0) & (x < params.line);
  return select(params.pad_word, a[u32(select(0, row.image + y * params.line + x, valid))], valid);
}
