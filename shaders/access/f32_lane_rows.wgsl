// Single values of a matrix with rows of any length, for threads that share them.
@group(0) @binding(2) var<storage, read> a: array<f32>;

override FIT_K: bool = false;  // rows are multiples of four

struct Row {
  base: u32,
};

fn row_of(m: u32, group: u32) -> Row {
  return Row(m * params.a_stride);
}

fn run_of(row: Row, segment_y: u32, segment_x: u32) -> Row {
  return row;
}

fn load_lane(row: Row, k: u32) -> f32 {
  if (FIT_K) {
    return a[row.base + k];
  }
  let valid = k < params.a_stride;
  return select(0.0, a[row.base + select(0u, k, valid)], valid);
}
