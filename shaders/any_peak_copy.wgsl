// One buffer to another: what memory can do at most. Every thread copies several words, each time neighbours beside neighbours.
// #include common/flat.wgsl
struct CopyParams {
  count4: u32,   // vec4s
};
@group(0) @binding(0) var<uniform> params: CopyParams;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let threads = nwg.x * nwg.y * WG;
  for (var i = flat_index(wid, nwg, local); i < params.count4; i += threads) {
    out[i] = x[i];
  }
}
