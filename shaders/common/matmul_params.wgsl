// Batched C = A × B with any strides: row-major or transposed operands, broadcast leading dimensions (step 0).
// #include common/strides.wgsl
struct Params {
  count: u32,      // threads
  m: u32,
  n: u32,
  k: u32,
  a_row: u32,      // units between rows and along k of A, along k and columns of B
  a_k: u32,
  b_k: u32,
  b_n: u32,
  rank: u32,       // batch dimensions
  a_zero: i32,     // int8
  out_zero: i32,
  out_lo: i32,
  out_hi: i32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
  sizes: Dims,
  a_steps: Dims,
  b_steps: Dims,
};
@group(0) @binding(0) var<uniform> params: Params;

// Where the matrices of a batch start in A and B.
fn batch_start(batch: u32) -> vec2<u32> {
  var rest = batch;
  var start = vec2<u32>(0u);
  for (var d = i32(params.rank) - 1; d >= 0; d--) {
    let size = params.sizes[d / 4][d % 4];
    let next = rest / size;
    let at = rest - next * size;
    rest = next;
    start += at * vec2<u32>(params.a_steps[d / 4][d % 4], params.b_steps[d / 4][d % 4]);
  }
  return start;
}
