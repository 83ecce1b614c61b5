// out[i0][i1]… = x[map0[i0]][map1[i1]]…, or the fill value where any map says -1: Pad in every mode, nearest Resize. The maps lie one behind
// the other.
// #include common/flat.wgsl
// #include common/strides.wgsl
struct Params {
  count: u32,
  rank: u32,
  fill: u32,
  pad0: u32,
  sizes: Dims,
  in_steps: Dims,
  map_starts: Dims,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> maps: array<i32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  var rest = i;
  var source = 0u;
  var inside = true;
  for (var d = i32(params.rank) - 1; d >= 0; d--) {
    let size = params.sizes[d / 4][d % 4];
    let next = rest / size;
    let at = maps[params.map_starts[d / 4][d % 4] + rest - next * size];
    rest = next;
    inside = inside && at >= 0;
    source += u32(max(at, 0)) * params.in_steps[d / 4][d % 4];
  }
  out[i] = select(params.fill, x[source], inside);
}
