// Single bytes of a matrix by position in its row. Units are bytes.
@group(0) @binding(2) var<storage, read> a: array<u32>;

struct Row {
  base: u32,
};

fn row_of(m: u32, group: u32) -> Row {
  return Row(m * params.a_stride);
}

fn gather(row: Row, position: u32) -> i32 {
  let at = row.base + position;
  return byte_of(a[at / 4u], at % 4u);
}
