// At most 256 shared values, looked up in a storage buffer.
// #include code/block.wgsl
// #include code/bytes4.wgsl
@group(0) @binding(5) var<storage, read> table: array<f32>;

const SCALED = false;

fn scale_of(index: u32) -> vec4<f32> {
  return vec4<f32>(1.0);
}

fn values(word: u32) -> vec4<f32> {
  let i = byte_lanes(word);
  return vec4<f32>(table[i.x], table[i.y], table[i.z], table[i.w]);
}

fn load_block(at: u32, scale: vec4<f32>) -> Block {
  let words = codes[at];
  return Block(values(words.x), values(words.y), values(words.z), values(words.w));
}
