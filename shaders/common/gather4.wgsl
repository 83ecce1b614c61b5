// Four single bytes of a row as one word, ready for a dot product.
fn gather4(row: Row, positions: vec4<u32>) -> u32 {
  return pack(vec4<i32>(gather(row, positions.x), gather(row, positions.y), gather(row, positions.z), gather(row, positions.w)));
}
