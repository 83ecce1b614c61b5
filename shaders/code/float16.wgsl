// float16, two words a row of four columns, two rows a load. WGSL lets an implementation assume numbers: no infinities and NaNs.
// #include code/block.wgsl
@group(0) @binding(3) var<storage, read> codes: array<vec4<u32>>;

const SCALED = false;

fn scale_of(index: u32) -> vec4<f32> {
  return vec4<f32>(1.0);
}

fn prepare(local: u32) {
}

fn load_block(at: u32, scale: vec4<f32>) -> Block {
  let a = codes[2u * at];
  let b = codes[2u * at + 1u];
  return Block(
    vec4<f32>(unpack2x16float(a.x), unpack2x16float(a.y)),
    vec4<f32>(unpack2x16float(a.z), unpack2x16float(a.w)),
    vec4<f32>(unpack2x16float(b.x), unpack2x16float(b.y)),
    vec4<f32>(unpack2x16float(b.z), unpack2x16float(b.w)),
  );
}
