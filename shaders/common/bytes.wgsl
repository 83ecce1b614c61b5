// 8-bit tensors: four signed bytes a word, lane 0 lowest; each row of the last axis starts a word. uint8 values are stored minus 128,
// so every kernel sees int8.
fn unpack(word: u32) -> vec4<i32> {
  let w = vec4<i32>(bitcast<i32>(word));
  return (w << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u);
}

fn pack(v: vec4<i32>) -> u32 {
  let b = vec4<u32>(v) & vec4<u32>(255u);
  return b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
}

// Signed byte at a position inside its word.
fn byte_of(word: u32, lane: u32) -> i32 {
  return extractBits(bitcast<i32>(word), lane * 8u, 8u);
}
