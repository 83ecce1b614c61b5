// A two-dimensional window sliding over NHWC images; sizes in pixels, `channels4` in units of four.
struct Params {
  batch: u32,
  in_h: i32,
  in_w: i32,
  channels4: u32,
  out_h: u32,
  out_w: u32,
  columns: u32,     // threads along one output line
  kernel_h: i32,
  kernel_w: i32,
  stride_y: i32,
  stride_x: i32,
  pad_top: i32,
  pad_left: i32,
  dilation_y: i32,
  dilation_x: i32,
  activation: u32,
  lo: f32,
  hi: f32,
  pad_word: u32,    // int8: what padding reads
  out_zero: i32,    // int8: zero point and clamp of the output
  out_lo: i32,
  out_hi: i32,
  rows: u32,        // rolling: output rows of a strip, and strips along y
  strips: u32,
};
@group(0) @binding(0) var<uniform> params: Params;
