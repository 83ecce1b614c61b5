// Single bytes of an image by position in the window (see f32_gather_conv). Units are bytes; padding reads the zero point.
// #include common/conv_rows.wgsl
@group(0) @binding(2) var<storage, read> a: array<u32>;

fn gather(row: Row, position: u32) -> i32 {
  let y = row.y + i32(position >> 24u);
  let x = row.x + i32(position & 0xffffffu);
  if (y >= 0 && y < params.in_h && x >= 0 && x < params.line) {
    let at = u32(row.image + y * params.line + x);
    return byte_of(a[at / 4u], at % 4u);
  }
  return byte_of(params.pad_word, 0u);
}
