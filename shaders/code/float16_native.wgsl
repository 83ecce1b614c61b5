// As float16.wgsl by the device's own half precision: a row of four columns is one load, widened as it is used. Sums stay in float32.
enable f16;
// #include code/block.wgsl
@group(0) @binding(3) var<storage, read> codes: array<vec4<f16>>;

const SCALED = false;

fn scale_of(index: u32) -> vec4<f32> {
  return vec4<f32>(1.0);
}

fn prepare(local: u32) {
}

fn load_block(at: u32, scale: vec4<f32>) -> Block {
  let row = 4u * at;
  return Block(vec4<f32>(codes[row]), vec4<f32>(codes[row + 1u]), vec4<f32>(codes[row + 2u]), vec4<f32>(codes[row + 3u]));
}
