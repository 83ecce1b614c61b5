// A workgroup sums over a slice of k, and leaves bias and all else to f32_gemm_sliced_sum_1x4. Sums [group][slice][m][n4].
@group(0) @binding(1) var<storage, read_write> sums: array<vec4<f32>>;

override FIT_MN: bool = false;  // as in common/f32_store.wgsl

struct Part {
  group: u32,
  first: u32,   // units of four along k
  end: u32,
  column: u32,  // where the sums of this slice start
};

fn part_of(z: u32) -> Part {
  let slices = (params.k4 + params.part - 1u) / params.part;
  let first = z % slices * params.part;
  return Part(z / slices, first, min(first + params.part, params.k4), z * params.m * params.n4);
}

fn start_of(column4: u32) -> vec4<f32> {
  return vec4<f32>(0.0);
}

fn store(m: u32, n: u32, column: u32, v: vec4<f32>) {
  if (FIT_MN || (m < params.m && n < params.n)) {
    sums[column + m * params.n4 + n / 4u] = v;
  }
}
