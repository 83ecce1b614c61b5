// Reduction of bytes over any axes, one output word a thread. Sum and mean are Σq - count × zero point, requantized; maximum and minimum
// pass through a table where the grids differ. Steps are bytes.
// #param FN = sum | max | min
// #include common/flat.wgsl
// #include common/reduce_params.wgsl
// #include common/bytes.wgsl
// #include common/requantize.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;

fn step_sum(acc: i32, v: i32) -> i32 {
  return acc + v;
}

fn step_max(acc: i32, v: i32) -> i32 {
  return max(acc, v);
}

fn step_min(acc: i32, v: i32) -> i32 {
  return min(acc, v);
}

fn map(acc: vec4<i32>) -> vec4<i32> {
  var v = acc;
  if (params.use_table != 0u) {
    for (var lane = 0u; lane < 4u; lane++) {
      let entry = u32(v[lane]) & 255u;
      v[lane] = byte_of(table[entry / 4u], entry % 4u);
    }
  }
  return v;
}

fn end_sum(acc: vec4<i32>) -> vec4<i32> {
  return requantize(acc - vec4<i32>(i32(params.reduced) * params.in_zero), vec4<f32>(params.scale), params.out_zero, -128, 127);
}

fn end_max(acc: vec4<i32>) -> vec4<i32> {
  return map(acc);
}

fn end_min(acc: vec4<i32>) -> vec4<i32> {
  return map(acc);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let words = (params.out_length + 3u) / 4u;
  var acc = vec4<i32>(0);
  for (var lane = 0u; lane < 4u; lane++) {
    let column = i % words * 4u + lane;
    if (column < params.out_length) {
      let base = kept_offset(i / words * params.out_length + column);
      var a = byte_of(x[base / 4u], base % 4u);
      for (var j = 1u; j < params.reduced; j++) {
        let p = base + reduced_offset(j);
        a = step_{{FN}}(a, byte_of(x[p / 4u], p % 4u));
      }
      acc[lane] = a;
    }
  }
  out[i] = pack(end_{{FN}}(acc));
}
