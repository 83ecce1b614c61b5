// Reduction of int16 over any axes, one output a thread, × one scale: between the grids, and of a mean by the count.
// #param FN = sum | max | min
// #include common/flat.wgsl
// #include common/reduce_params.wgsl
// #include common/int16.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<i32>;
@group(0) @binding(2) var<storage, read> x: array<i32>;

fn step_sum(acc: i32, v: i32) -> i32 {
  return acc + v;
}

fn step_max(acc: i32, v: i32) -> i32 {
  return max(acc, v);
}

fn step_min(acc: i32, v: i32) -> i32 {
  return min(acc, v);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let base = kept_offset(i);
  var acc = x[base];
  for (var j = 1u; j < params.reduced; j++) {
    acc = step_{{FN}}(acc, x[base + reduced_offset(j)]);
  }
  out[i] = to_grid(to_f32(acc) * params.scale, -32768, 32767);
}
