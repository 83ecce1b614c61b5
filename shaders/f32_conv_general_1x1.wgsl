// Convolutions that no faster kernel takes (transposed, channel multipliers, depthwise with odd channels): one output value a thread.
// #include common/flat.wgsl
// #include common/general_conv.wgsl
// #include common/activation.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let o = i % params.out_c;
  let pixel = i / params.out_c;
  let ox = i32(pixel % params.out_w);
  let oy = i32(pixel / params.out_w % params.out_h);
  let image = i32(pixel / params.out_w / params.out_h);
  let first = o / params.group_out * params.group_in;
  var at = o * u32(params.kernel_h * params.kernel_w) * params.group_in;
  var acc = bias[o];
  for (var ky = 0; ky < params.kernel_h; ky++) {
    let y = source(oy, ky, params.stride_y, params.pad_top, params.dilation_y, params.in_h);
    for (var kx = 0; kx < params.kernel_w; kx++) {
      let column = source(ox, kx, params.stride_x, params.pad_left, params.dilation_x, params.in_w);
      if (y >= 0 && column >= 0) {
        let start = u32((image * params.in_h + y) * params.in_w + column) * params.in_row + first;
        for (var c = 0u; c < params.group_in; c++) {
          acc += x[start + c] * w[at + c];
        }
      }
      at += params.group_in;
    }
  }
  out[i] = activate(vec4<f32>(acc), params.activation, params.lo, params.hi).x;
}
