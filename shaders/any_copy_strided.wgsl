// Copies a box of words between any strides: Transpose, Slice, Expand, one input of Concat. Steps may be negative (slices) or zero (Expand).
// #include common/flat.wgsl
// #include common/strides.wgsl
struct Params {
  count: u32,
  rank: u32,
  in_base: i32,
  out_base: i32,
  sizes: Dims,
  in_steps: Steps,
  out_steps: Steps,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  var rest = i;
  var source = params.in_base;
  var target_at = params.out_base;
  for (var d = i32(params.rank) - 1; d >= 0; d--) {
    let size = params.sizes[d / 4][d % 4];
    let next = rest / size;
    let at = i32(rest - next * size);
    rest = next;
    source += at * params.in_steps[d / 4][d % 4];
    target_at += at * params.out_steps[d / 4][d % 4];
  }
  out[u32(target_at)] = x[u32(source)];
}
