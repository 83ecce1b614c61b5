// float32 → bytes on a grid: × reciprocal of the scale, round half to even, + zero point, clamp. One output word a thread.
// #include common/flat.wgsl
// #include common/bytes.wgsl
struct Params {
  count: u32,
  length: u32,    // bytes of a row
  inner: u32,     // elements that share a scale, neighbours
  channels: u32,  // scales
  out_lo: i32,
  out_hi: i32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> inverse_scales: array<f32>;
@group(0) @binding(4) var<storage, read> zeros: array<i32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let words = (params.length + 3u) / 4u;
  var bytes = vec4<i32>(0);
  for (var lane = 0u; lane < 4u; lane++) {
    let column = i % words * 4u + lane;
    if (column < params.length) {
      let e = i / words * params.length + column;
      let c = e / params.inner % params.channels;
      let r = clamp(round(x[e] * inverse_scales[c]), -65536.0, 65536.0);
      bytes[lane] = clamp(i32(r) + zeros[c], params.out_lo, params.out_hi);
    }
  }
  out[i] = pack(bytes);
}
