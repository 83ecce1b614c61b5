// Four consecutive values of a matrix whose rows are multiples of four, by the unit's place in its row.
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;

struct Row {
  base: u32,
};

fn row_of(m: u32, group: u32) -> Row {
  return Row(m * (params.a_stride / 4u));
}

fn gather(row: Row, position: u32) -> vec4<f32> {
  return a[row.base + position / 4u];
}
