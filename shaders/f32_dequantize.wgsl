// Integers on a grid → float32: (q - zero point) × scale, one value a thread. Bytes lie in rows that start words.
// #param FROM = bytes | words
// #include common/flat.wgsl
// #include common/bytes.wgsl
struct Params {
  count: u32,
  length: u32,    // bytes of a row
  inner: u32,     // elements that share a scale, neighbours
  channels: u32,  // scales
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;
@group(0) @binding(4) var<storage, read> zeros: array<i32>;

fn load_bytes(i: u32) -> i32 {
  let p = i / params.length * ((params.length + 3u) / 4u * 4u) + i % params.length;
  return byte_of(x[p / 4u], p % 4u);
}

fn load_words(i: u32) -> i32 {
  return bitcast<i32>(x[i]);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let c = i / params.inner % params.channels;
  out[i] = f32(load_{{FROM}}(i) - zeros[c]) * scales[c];
}
