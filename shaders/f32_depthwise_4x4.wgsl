// Depthwise convolution, one filter a channel, channels a multiple of four: four channels × four neighbouring columns a thread, so that
// each filter value is read once for four outputs. Weights [tap][c/4] as vec4.
// #include common/flat.wgsl
// #include common/window_params.wgsl
// #include common/activation.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;

override ACTIVATION: u32 = 0u;  // kind, decided when the pipeline is made (common/f32_finish.wgsl)

fn load(line: i32, column: i32, c: u32) -> vec4<f32> {
  let valid = column >= 0 && column < params.in_w;
  return select(vec4<f32>(0.0), x[u32(select(0, line + column, valid)) * params.channels4 + c], valid);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  var i = flat_index(wid, nwg, local);
  let c = i % params.channels4;
  i /= params.channels4;
  let ox = (i % params.columns) * 4u;
  i /= params.columns;
  let oy = i % params.out_h;
  let image = i / params.out_h;
  if (image >= params.batch) {
    return;
  }
  let x0 = i32(ox) * params.stride_x - params.pad_left;
  let y0 = i32(oy) * params.stride_y - params.pad_top;
  var c0 = bias[c];
  var c1 = c0;
  var c2 = c0;
  var c3 = c0;
  for (var ky = 0; ky < params.kernel_h; ky++) {
    let y = y0 + ky * params.dilation_y;
    if (y < 0 || y >= params.in_h) {
      continue;
    }
    let line = (i32(image) * params.in_h + y) * params.in_w;
    for (var kx = 0; kx < params.kernel_w; kx++) {
      let f = w[u32(ky * params.kernel_w + kx) * params.channels4 + c];
      let column = x0 + kx * params.dilation_x;
      c0 += load(line, column, c) * f;
      c1 += load(line, column + params.stride_x, c) * f;
      c2 += load(line, column + 2 * params.stride_x, c) * f;
      c3 += load(line, column + 3 * params.stride_x, c) * f;
    }
  }
  let at = ((image * params.out_h + oy) * params.out_w + ox) * params.channels4 + c;
  out[at] = activate(c0, ACTIVATION, params.lo, params.hi);
  if (ox + 1u < params.out_w) {
    out[at + params.channels4] = activate(c1, ACTIVATION, params.lo, params.hi);
  }
  if (ox + 2u < params.out_w) {
    out[at + 2u * params.channels4] = activate(c2, ACTIVATION, params.lo, params.hi);
  }
  if (ox + 3u < params.out_w) {
    out[at + 3u * params.channels4] = activate(c3, ACTIVATION, params.lo, params.hi);
  }
}
