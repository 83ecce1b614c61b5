// Integer depthwise convolution, one filter a channel: one word (four channels) × four neighbouring columns a thread, products in int32.
// Weights [tap][c/4] as words; the input's zero point is folded into the bias, padding reads it.
// #param REQUANTIZE = requantize | requantize_fixed
// #include common/flat.wgsl
// #include common/window_params.wgsl
// #include common/bytes.wgsl
// #include common/{{REQUANTIZE}}.wgsl
struct Columns {
  bias: vec4<i32>,
  scale: Scale,
};
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> w: array<u32>;
@group(0) @binding(4) var<storage, read> columns: array<Columns>;

fn load(line: i32, column: i32, inside: bool, c: u32) -> vec4<i32> {
  let valid = inside && column >= 0 && column < params.in_w;
  return unpack(select(params.pad_word, x[u32(select(0, line + column, valid)) * params.channels4 + c], valid));
}

fn finish(acc: vec4<i32>, scale: Scale) -> u32 {
  return pack(requantize(acc, scale, params.out_zero, params.out_lo, params.out_hi));
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
  let channel = columns[c];
  var c0 = channel.bias;
  var c1 = c0;
  var c2 = c0;
  var c3 = c0;
  for (var ky = 0; ky < params.kernel_h; ky++) {
    let y = y0 + ky * params.dilation_y;
    let inside = y >= 0 && y < params.in_h;
    let line = (i32(image) * params.in_h + y) * params.in_w;
    for (var kx = 0; kx < params.kernel_w; kx++) {
      let f = unpack(w[u32(ky * params.kernel_w + kx) * params.channels4 + c]);
      let column = x0 + kx * params.dilation_x;
      c0 += load(line, column, inside, c) * f;
      c1 += load(line, column + params.stride_x, inside, c) * f;
      c2 += load(line, column + 2 * params.stride_x, inside, c) * f;
      c3 += load(line, column + 3 * params.stride_x, inside, c) * f;
    }
  }
  let at = ((image * params.out_h + oy) * params.out_w + ox) * params.channels4 + c;
  out[at] = finish(c0, channel.scale);
  if (ox + 1u < params.out_w) {
    out[at + params.channels4] = finish(c1, channel.scale);
  }
  if (ox + 2u < params.out_w) {
    out[at + 2u * params.channels4] = finish(c2, channel.scale);
  }
  if (ox + 3u < params.out_w) {
    out[at + 3u * params.channels4] = finish(c3, channel.scale);
  }
}
