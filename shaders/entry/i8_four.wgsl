// An entry of a list is any four input positions, gathered into one word so that four products are one dot product. Lists are filled up to
// four with weights of zero.
// #include entry/i8_words.wgsl
@group(0) @binding(6) var<storage, read> positions: array<vec4<u32>>;

fn input_of(row: Row, at: vec4<u32>) -> u32 {
  return pack(vec4<i32>(gather(row, at.x), gather(row, at.y), gather(row, at.z), gather(row, at.w)));
}
