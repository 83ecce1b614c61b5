// Single bytes of an image by position in the window (see f32_gather_conv). Units are bytes; padding reads the zero point.
// #include common/conv_rows.wgsl
@group(0) @binding(2) var<storage, read> a: array<u32>;

fn gather(row: Row, position: u32) -> i32 {
  let y = row.y + i32(position >> 24u);
  let x = row.x + i32(position & 0xffffffu);
  // No branches: SwiftShader 5.0 does not finish compiling sixteen of them in a loop (2026-11-24).
  let inside = (y >= 0) & (y < params.in_h) & (x >= 0) & (x < params.line);
  let at = u32(select(0, row.image + y * params.line + x, inside));
  return select(byte_of(params.pad_word, 0u), byte_of(a[at / 4u], at % 4u), inside);
}
