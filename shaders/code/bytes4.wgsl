// Blocks of 8-bit codes: a word for each of four k, the first column lowest.
@group(0) @binding(3) var<storage, read> codes: array<vec4<u32>>;

fn byte_lanes(word: u32) -> vec4<u32> {
  return (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
}
