// Max and average pooling, one output value a thread. Padding never wins a maximum; an average divides by the positions inside the image,
// or inside the padded image.
// #param FN = max | avg
// #include common/flat.wgsl
// #include common/pool_params.wgsl
// #include common/activation.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;

fn start_max() -> f32 {
  return -3.4028234663852886e38;
}

fn start_avg() -> f32 {
  return 0.0;
}

fn step_max(acc: f32, v: f32) -> f32 {
  return max(acc, v);
}

fn step_avg(acc: f32, v: f32) -> f32 {
  return acc + v;
}

fn end_max(acc: f32, count: u32) -> f32 {
  return acc;
}

fn end_avg(acc: f32, count: u32) -> f32 {
  return acc / f32(count);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let c = i % params.channels;
  let window = window_of(i / params.channels);
  var acc = start_{{FN}}();
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
  let v = end_{{FN}}(acc, select(inside, full, params.include_pad != 0u));
  out[i] = activate(vec4<f32>(v), params.activation, params.lo, params.hi).x;
}
