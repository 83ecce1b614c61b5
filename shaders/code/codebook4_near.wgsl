// At most 16 shared values. The two values of each byte of two codes lie in workgroup memory (2 KiB): one lookup gives two weights.
// #include code/block.wgsl
// #include code/nibbles.wgsl
@group(0) @binding(5) var<storage, read> table: array<f32>;

const SCALED = false;

var<workgroup> pairs: array<vec2<f32>, 256>;

fn scale_of(index: u32) -> vec4<f32> {
  return vec4<f32>(1.0);
}

fn prepare(local: u32) {
  for (var i = local; i < 256u; i += 64u) {
    pairs[i] = vec2<f32>(table[i & 15u], table[i >> 4u]);
  }
  workgroupBarrier();
}

fn values(bits: u32) -> vec4<f32> {
  return vec4<f32>(pairs[bits & 255u], pairs[(bits >> 8u) & 255u]);
}

fn load_block(at: u32, scale: vec4<f32>) -> Block {
  let words = codes[at];
  return Block(values(words.x), values(words.x >> 16u), values(words.y), values(words.y >> 16u));
}
