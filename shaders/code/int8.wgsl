// 8-bit integers whose scale all k of a column share: scales [n/4] as vec4.
// #include code/block.wgsl
@group(0) @binding(3) var<storage, read> codes: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> scales: array<vec4<f32>>;

const SCALED = true;

fn scale_of(index: u32) -> vec4<f32> {
  return scales[index];
}

fn prepare(local: u32) {
}

fn signed(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

fn load_block(at: u32, scale: vec4<f32>) -> Block {
  let words = codes[at];
  return Block(signed(words.x) * scale, signed(words.y) * scale, signed(words.z) * scale, signed(words.w) * scale);
}
