// A workgroup sums over all of k, from the bias on, and stores the result.
// #include common/f32_store.wgsl
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;

struct Part {
  group: u32,
  first: u32,   // units of four along k
  end: u32,
  column: u32,  // of the group, in the output
};

fn part_of(z: u32) -> Part {
  return Part(z, 0u, params.k4, z * params.n);
}

fn start_of(column4: u32) -> vec4<f32> {
  return bias[column4];
}
