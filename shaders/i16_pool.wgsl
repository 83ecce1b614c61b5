// Max and average pooling of int16, one output a thread: Σq × the scale of its count, from a table, since WGSL's division is not exact; a maximum
// × the scale between the grids.
// #param FN = max | avg
// #include common/flat.wgsl
// #include common/pool_params.wgsl
// #include common/int16.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<i32>;
@group(0) @binding(2) var<storage, read> x: array<i32>;
@group(0) @binding(3) var<storage, read> scales: array<f32>;

fn step_max(acc: i32, v: i32) -> i32 {
  return max(acc, v);
}

fn step_avg(acc: i32, v: i32) -> i32 {
  return acc + v;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let c = i % params.channels;
  let window = window_of(i / params.channels);
  var acc = params.in_zero;
  var inside = 0u;
  var full = 0u;
  for (var ky = 0; ky < params.kernel_h; ky++) {
    let y = window.y + ky * params.dilation_y;
    for (var kx = 0; kx < params.kernel_w; kx++) {
      let column = window.x + kx * params.dilation_x;
      if (y < params.limit_y && column < params.limit_x) {
        full++;
        if (y >= 0 && y < params.in_h && column >= 0 && column < params.in_w) {
          inside++;
          acc = step_{{FN}}(acc, x[u32((window.image * params.in_h + y) * params.in_w + column) * params.channels + c]);
        }
      }
    }
  }
  let scale = scales[select(inside, full, params.include_pad != 0u)];
  out[i] = to_grid(to_f32(acc) * scale, params.out_lo, params.out_hi);
}
