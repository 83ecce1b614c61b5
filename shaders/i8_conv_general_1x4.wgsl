// Integer convolutions that no faster kernel takes (odd groups, transposed, channel multipliers, weights with zero points): one word of
// four output channels a thread. Weights [o][ky][kx][c of the group] as int32 less their zero point.
// #param REQUANTIZE = requantize | requantize_fixed
// #include common/flat.wgsl
// #include common/general_conv.wgsl
// #include common/bytes.wgsl
// #include common/{{REQUANTIZE}}.wgsl
struct Columns {
  bias: vec4<i32>,
  scale: Scale,
};
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> w: array<i32>;
@group(0) @binding(4) var<storage, read> columns: array<Columns>;

// Sum of output channel o at a pixel, without its bias.
fn accumulate(o: u32, image: i32, oy: i32, ox: i32) -> i32 {
  let first = o / params.group_out * params.group_in;
  var at = o * u32(params.kernel_h * params.kernel_w) * params.group_in;
  var acc = 0;
  for (var ky = 0; ky < params.kernel_h; ky++) {
    let y = source(oy, ky, params.stride_y, params.pad_top, params.dilation_y, params.in_h);
    for (var kx = 0; kx < params.kernel_w; kx++) {
      let column = source(ox, kx, params.stride_x, params.pad_left, params.dilation_x, params.in_w);
      if (y >= 0 && column >= 0) {
        let start = u32((image * params.in_h + y) * params.in_w + column) * params.in_row + first;
        for (var c = 0u; c < params.group_in; c++) {
          let p = start + c;
          acc += (byte_of(x[p / 4u], p % 4u) - params.in_zero) * w[at + c];
        }
      }
      at += params.group_in;
    }
  }
  return acc;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let words = (params.out_c + 3u) / 4u;
  let pixel = i / words;
  let ox = i32(pixel % params.out_w);
  let oy = i32(pixel / params.out_w % params.out_h);
  let image = i32(pixel / params.out_w / params.out_h);
  let column = columns[i % words];
  var acc = column.bias;
  for (var lane = 0u; lane < 4u; lane++) {
    let o = (i % words) * 4u + lane;
    if (o < params.out_c) {
      acc[lane] += accumulate(o, image, oy, ox);
    }
  }
  out[i] = pack(requantize(acc, column.scale, params.out_zero, params.out_lo, params.out_hi));
}
