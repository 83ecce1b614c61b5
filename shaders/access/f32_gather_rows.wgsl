// Single values of a matrix by position in its row.
@group(0) @binding(2) var<storage, read> a: array<f32>;

struct Row {
  base: u32,
};

fn row_of(m: u32, group: u32) -> Row {
  return Row(m * params.a_stride);
}

fn gather(row: Row, position: u32) -> f32 {
  return a[row.base + position];
}
