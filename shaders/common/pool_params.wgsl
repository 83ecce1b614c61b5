struct Params {
  count: u32,        // threads
  channels: u32,     // units between pixels: values, or words of four bytes
  in_h: i32,
  in_w: i32,
  out_h: u32,
  out_w: u32,
  kernel_h: i32,
  kernel_w: i32,
  stride_y: i32,
  stride_x: i32,
  pad_top: i32,
  pad_left: i32,
  dilation_y: i32,
  dilation_x: i32,
  limit_y: i32,      // end of the padded image
  limit_x: i32,
  include_pad: u32,
  activation: u32,
  lo: f32,
  hi: f32,
  in_zero: i32,      // int8
  out_zero: i32,
  out_lo: i32,
  out_hi: i32,
  use_table: u32,
};
@group(0) @binding(0) var<uniform> params: Params;

struct Window {
  image: i32,
  y: i32,
  x: i32,
};

fn window_of(pixel: u32) -> Window {
  let x = i32(pixel % params.out_w) * params.stride_x - params.pad_left;
  let y = i32(pixel / params.out_w % params.out_h) * params.stride_y - params.pad_top;
  return Window(i32(pixel / params.out_w / params.out_h), y, x);
}
