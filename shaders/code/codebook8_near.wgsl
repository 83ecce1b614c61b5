// At most 256 shared values, in workgroup memory (1 KiB).
// #include code/block.wgsl
// #include code/bytes4.wgsl
@group(0) @binding(5) var<storage, read> table: array<f32>;

const SCALED = false;

var<workgroup> near: array<f32, 256>;

fn scale_of(index: u32) -> vec4<f32> {
  return vec4<f32>(1.0);
}

fn prepare(local: u32) {
  for (var i = local; i < arrayLength(&table); i += 64u) {
    near[i] = table[i];
  }
  workgroupBarrier();
}

fn values(word: u32) -> vec4<f32> {
  let i = byte_lanes(word);
  return vec4<f32>(near[i.x], near[i.y], near[i.z], near[i.w]);
}

fn load_block(at: u32, scale: vec4<f32>) -> Block {
  let words = codes[at];
  return Block(values(words.x), values(words.y), values(words.z), values(words.w));
}
