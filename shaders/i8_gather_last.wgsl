// Gather along the last axis of bytes: one output word a thread. Rules as any_gather_axis.
// #include common/flat.wgsl
// #include common/bytes.wgsl
struct Params {
  count: u32,
  size: u32,
  indices: u32,
  row: u32,     // bytes between rows of the input
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> indices: array<i32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let words = (params.indices + 3u) / 4u;
  var bytes = vec4<i32>(0);
  for (var lane = 0u; lane < 4u; lane++) {
    let column = min(i % words * 4u + lane, params.indices - 1u);
    let index = indices[column];
    let at = clamp(select(index, index + i32(params.size), index < 0), 0, i32(params.size) - 1);
    let p = i / words * params.row + u32(at);
    bytes[lane] = byte_of(x[p / 4u], p % 4u);
  }
  out[i] = pack(bytes);
}
