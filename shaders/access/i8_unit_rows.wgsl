// One word (four consecutive values) of a matrix of bytes whose rows start words, by its place in its row. Units are words.
@group(0) @binding(2) var<storage, read> a: array<u32>;

struct Row {
  base: u32,
};

fn row_of(m: u32, group: u32) -> Row {
  return Row(m * params.a_stride);
}

fn gather(row: Row, position: u32) -> u32 {
  return a[row.base + position / 4u];
}
