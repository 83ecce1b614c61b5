// At most 16 shared values, looked up in a storage buffer.
// #include code/block.wgsl
// #include code/nibbles.wgsl
@group(0) @binding(5) var<storage, read> table: array<f32>;

const SCALED = false;

fn scale_of(index: u32) -> vec4<f32> {
  return vec4<f32>(1.0);
}

fn values(i: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(table[i.x], table[i.y], table[i.z], table[i.w]);
}

fn load_block(at: u32, scale: vec4<f32>) -> Block {
  let words = codes[at];
  return Block(
    values(low_nibbles(words.x)),
    values(high_nibbles(words.x)),
    values(low_nibbles(words.y)),
    values(high_nibbles(words.y)),
  );
}
