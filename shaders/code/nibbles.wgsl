// Blocks of 4-bit codes, two words a block: k0 in the lower half of the first word, k1 in the upper, k2 and k3 in the second; the first
// column lowest.
@group(0) @binding(3) var<storage, read> codes: array<vec2<u32>>;

fn low_nibbles(word: u32) -> vec4<u32> {
  return (vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u);
}

fn high_nibbles(word: u32) -> vec4<u32> {
  return (vec4<u32>(word) >> vec4<u32>(16u, 20u, 24u, 28u)) & vec4<u32>(15u);
}
