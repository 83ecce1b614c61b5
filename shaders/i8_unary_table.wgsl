// Everything unary on 8 bits (activations, requantization): each byte through a table of 256, four a thread.
// #include common/flat.wgsl
// #include common/bytes.wgsl
struct Params {
  count: u32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;

fn entry(word: u32, lane: u32) -> i32 {
  let e = (word >> (lane * 8u)) & 255u;
  return byte_of(table[e / 4u], e % 4u);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let word = x[i];
  out[i] = pack(vec4<i32>(entry(word, 0u), entry(word, 1u), entry(word, 2u), entry(word, 3u)));
}
