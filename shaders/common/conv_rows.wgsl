// im2col over an NHWC image: where the window of an output pixel starts, and the runs of its kernel rows.
struct Row {
  image: i32,  // first unit of the image
  y: i32,      // top-left input position of the window
  x: i32,      // in units, group offset included
};

struct Run {
  line: i32,
  x: i32,
  inside: bool,  // the image line exists
};

fn row_of(m: u32, group: u32) -> Row {
  let image = m / (params.out_h * params.out_w);
  let at = m % (params.out_h * params.out_w);
  let y = i32(at / params.out_w) * params.stride_y - params.pad_top;
  let x = i32(at % params.out_w) * params.stride_x - params.pad_left;
  return Row(i32(image) * params.in_h * params.line, y, x * params.pixel + i32(group) * params.group_run);
}

fn run_of(row: Row, segment_y: u32, segment_x: u32) -> Run {
  let y = row.y + i32(segment_y) * params.dilation_y;
  let x = row.x + i32(segment_x) * params.dilation_x * params.pixel;
  return Run(row.image + y * params.line, x, y >= 0 && y < params.in_h);
}
