// A is a matrix of bytes whose rows start words. Units are words.
@group(0) @binding(2) var<storage, read> a: array<u32>;

struct Row {
  base: u32,
};

fn row_of(m: u32, group: u32) -> Row {
  return Row(m * params.a_stride);
}

fn run_of(row: Row, segment_y: u32, segment_x: u32) -> Row {
  return row;
}

fn load_run(row: Row, j4: u32) -> u32 {
  return a[row.base + j4];
}

fn load_a(row: Row, k4: u32) -> u32 {
  return a[row.base + k4];
}
