// A is a matrix with rows of any length.
@group(0) @binding(2) var<storage, read> a: array<f32>;

struct Row {
  base: u32,
};

fn row_of(m: u32, group: u32) -> Row {
  return Row(m * params.a_stride);
}

fn run_of(row: Row, segment_y: u32, segment_x: u32) -> Row {
  return row;
}

fn load_run(row: Row, j4: u32) -> vec4<f32> {
  let last = vec4<u32>(params.a_stride - 1u);
  let k = vec4<u32>(j4 * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
  let at = vec4<u32>(row.base) + min(k, last);
  return select(vec4<f32>(0.0), vec4<f32>(a[at.x], a[at.y], a[at.z], a[at.w]), k <= last);
}

fn load_a(row: Row, k4: u32) -> vec4<f32> {
  return load_run(row, k4);
}
