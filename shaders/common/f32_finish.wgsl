// What becomes of a sum before it is stored: what a residual connection adds, then the activation. Both are decided when the pipeline is
// made: SwiftShader walks every branch that depends on a uniform, and a third of a pointwise layer's time went there (2026-11-30).
override ACTIVATION: u32 = 0u;  // kind, as in common/activation.wgsl
override RESIDUAL: bool = false;
// Laid out as the output; without a residual, any buffer.
@group(0) @binding(7) var<storage, read> residual: array<f32>;

fn finish(v: vec4<f32>, at: u32) -> vec4<f32> {
  var r = v;
  if (RESIDUAL) {
    r += vec4<f32>(residual[at], residual[at + 1u], residual[at + 2u], residual[at + 3u]);
  }
  return activate(r, ACTIVATION, params.lo, params.hi);
}

fn finish_one(v: f32, at: u32) -> f32 {
  var r = v;
  if (RESIDUAL) {
    r += residual[at];
  }
  return activate(vec4<f32>(r), ACTIVATION, params.lo, params.hi).x;
}
