// Any two-dimensional convolution, forward or transposed, any groups. Weights [o][ky][kx][c of the group].
struct Params {
  count: u32,       // threads
  in_h: i32,
  in_w: i32,
  in_row: u32,      // units between pixels of the input
  out_h: u32,
  out_w: u32,
  out_c: u32,
  group_in: u32,
  group_out: u32,
  kernel_h: i32,
  kernel_w: i32,
  stride_y: i32,
  stride_x: i32,
  pad_top: i32,
  pad_left: i32,
  dilation_y: i32,
  dilation_x: i32,
  transposed: u32,
  activation: u32,
  lo: f32,
  hi: f32,
  in_zero: i32,     // int8
  out_zero: i32,
  out_lo: i32,
  out_hi: i32,
  pixels: u32,      // int16: output positions
};
@group(0) @binding(0) var<uniform> params: Params;

// Input position that tap k contributes to output position o, or -1.
fn source(o: i32, k: i32, stride: i32, pad: i32, dilation: i32, size: i32) -> i32 {
  var at = o * stride - pad + k * dilation;
  if (params.transposed != 0u) {
    let scaled = o + pad - k * dilation;
    if (scaled < 0 || scaled % stride != 0) {
      return -1;
    }
    at = scaled / stride;
  }
  return select(-1, at, at >= 0 && at < size);
}
