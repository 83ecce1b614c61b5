// Single values of an image by position in the window: the line's offset (dilation included) in the upper 8 bits, the offset inside the
// line in the lower 24.
// #include common/conv_rows.wgsl
@group(0) @binding(2) var<storage, read> a: array<f32>;

fn gather(row: Row, position: u32) -> f32 {
  let y = row.y + i32(position >> 24u);
  let x = row.x + i32(position & 0xffffffu);
  let inside = (y >= 0) & (y < params.in_h) & (x >= 0) & (x < params.line);
  return select(0.0, a[u32(select(0, row.image + y * params.line + x, inside))], inside);
}
