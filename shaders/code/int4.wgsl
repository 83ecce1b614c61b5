// 4-bit integers whose scale all k of a block share: scales [block of k][n/4] as vec4.
// #include code/block.wgsl
// #include code/nibbles.wgsl
@group(0) @binding(5) var<storage, read> scales: array<vec4<f32>>;

const SCALED = true;

fn scale_of(index: u32) -> vec4<f32> {
  return scales[index];
}

fn prepare(local: u32) {
}

fn low_signed(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<i32>(bitcast<i32>(word)) << vec4<u32>(28u, 24u, 20u, 16u)) >> vec4<u32>(28u));
}

fn high_signed(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<i32>(bitcast<i32>(word)) << vec4<u32>(12u, 8u, 4u, 0u)) >> vec4<u32>(28u));
}

fn load_block(at: u32, scale: vec4<f32>) -> Block {
  let words = codes[at];
  return Block(
    low_signed(words.x) * scale,
    high_signed(words.x) * scale,
    low_signed(words.y) * scale,
    high_signed(words.y) * scale,
  );
}
