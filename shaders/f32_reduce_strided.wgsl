// Reduction over any axes, one output a thread.
// #param FN = sum | mean | max | min | prod
// #include common/flat.wgsl
// #include common/reduce_params.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;

fn step_sum(acc: f32, v: f32) -> f32 {
  return acc + v;
}

fn step_mean(acc: f32, v: f32) -> f32 {
  return acc + v;
}

fn step_max(acc: f32, v: f32) -> f32 {
  return max(acc, v);
}

fn step_min(acc: f32, v: f32) -> f32 {
  return min(acc, v);
}

fn step_prod(acc: f32, v: f32) -> f32 {
  return acc * v;
}

fn end_sum(acc: f32) -> f32 {
  return acc;
}

fn end_mean(acc: f32) -> f32 {
  return acc / f32(params.reduced);
}

fn end_max(acc: f32) -> f32 {
  return acc;
}

fn end_min(acc: f32) -> f32 {
  return acc;
}

fn end_prod(acc: f32) -> f32 {
  return acc;
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
  out[i] = end_{{FN}}(acc);
}
