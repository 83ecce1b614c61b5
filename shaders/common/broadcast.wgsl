// Two operands read with one step a dimension (0 repeats), outermost first.
// #include common/strides.wgsl
struct Params {
  count: u32,
  rank: u32,
  activation: u32,
  lo: f32,
  hi: f32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
  sizes: Dims,
  a_steps: Dims,
  b_steps: Dims,
};
@group(0) @binding(0) var<uniform> params: Params;

fn operands(i: u32) -> vec2<u32> {
  var rest = i;
  var at = vec2<u32>(0u);
  for (var d = i32(params.rank) - 1; d >= 0; d--) {
    let size = params.sizes[d / 4][d % 4];
    let next = rest / size;
    let c = rest - next * size;
    rest = next;
    at += c * vec2<u32>(params.a_steps[d / 4][d % 4], params.b_steps[d / 4][d % 4]);
  }
  return at;
}
