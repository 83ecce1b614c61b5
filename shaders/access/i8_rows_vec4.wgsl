// A is a matrix of bytes whose rows are multiples of sixteen. Units are words, read four at once.
@group(0) @binding(2) var<storage, read> a: array<vec4<u32>>;

struct Row {
  base: u32,
};

fn row_of(m: u32, group: u32) -> Row {
  return Row(m * (params.a_stride / 4u));
}

fn load_a16(row: Row, k16: u32) -> vec4<u32> {
  return a[row.base + k16];
}
