// Parameters of every GEMM and convolution: C[m][n] = A[m][k] * W[k][n], per group (workgroup z).
// A convolution reads A through im2col: k runs over kernel rows (segments_y), kernel columns (segments_x; one when columns and channels
// form one contiguous run, as they do without dilation and groups), and a run of `run4` units of four values.
struct Params {
  m: u32,           // output rows: pixels, or rows of a dense layer
  n: u32,           // output columns of one group
  n4: u32,          // ceil(n / 4)
  k4: u32,          // units of four along k, padding included
  out_stride: u32,  // units between output rows: values, or words of four bytes
  a_stride: u32,    // dense: units between rows of A
  out_h: u32,
  out_w: u32,
  in_h: i32,
  line: i32,        // units of one image line
  pixel: i32,       // units of one pixel
  group_run: i32,   // units between the channels of two groups
  stride_y: i32,
  stride_x: i32,
  pad_top: i32,
  pad_left: i32,
  dilation_y: i32,
  dilation_x: i32,
  segments_y: u32,
  segments_x: u32,
  run4: u32,
  activation: u32,
  lo: f32,
  hi: f32,
  pad_word: u32,    // int8: what padding reads, four input zero points
  out_zero: i32,    // int8: zero point and clamp of the output
  out_lo: i32,
  out_hi: i32,
  n8: u32,          // block-sparse: ceil(n / 8)
  scale_k4: u32,    // int4: units of k that share a scale
  scale_rows: u32,  // int4: ceil(k4 / scale_k4)
  part: u32,        // of a product in parts: units of four along k of a slice, or which columns of four a dispatch starts with
};
@group(0) @binding(0) var<uniform> params: Params;
