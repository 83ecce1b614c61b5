// Which inputs meet in an output: a kept part (by output index) and a reduced part, each with its sizes and steps, outermost first.
// #include common/strides.wgsl
struct Params {
  count: u32,         // threads
  kept_rank: u32,
  reduced_rank: u32,
  reduced: u32,       // inputs an output
  out_length: u32,    // int8: bytes of an output row
  in_zero: i32,
  out_zero: i32,
  scale: f32,
  use_table: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
  kept_sizes: Dims,
  kept_steps: Dims,
  reduced_sizes: Dims,
  reduced_steps: Dims,
};
@group(0) @binding(0) var<uniform> params: Params;

fn kept_offset(i: u32) -> u32 {
  if (params.kept_rank == 1u) {
    return i * params.kept_steps[0].x;
  }
  var rest = i;
  var at = 0u;
  for (var d = i32(params.kept_rank) - 1; d >= 0; d--) {
    let size = params.kept_sizes[d / 4][d % 4];
    let next = rest / size;
    at += (rest - next * size) * params.kept_steps[d / 4][d % 4];
    rest = next;
  }
  return at;
}

fn reduced_offset(i: u32) -> u32 {
  if (params.reduced_rank == 1u) {
    return i * params.reduced_steps[0].x;
  }
  var rest = i;
  var at = 0u;
  for (var d = i32(params.reduced_rank) - 1; d >= 0; d--) {
    let size = params.reduced_sizes[d / 4][d % 4];
    let next = rest / size;
    at += (rest - next * size) * params.reduced_steps[d / 4][d % 4];
    rest = next;
  }
  return at;
}
