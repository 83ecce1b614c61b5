// The unary functions, four values at once. alpha, beta, lo, hi as the IR defines them.
fn unary_relu(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return max(x, vec4<f32>(0.0));
}

fn unary_leakyrelu(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return select(x * p.alpha, x, x >= vec4<f32>(0.0));
}

fn unary_clip(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return min(max(x, vec4<f32>(p.lo)), vec4<f32>(p.hi));
}

fn unary_sigmoid(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return 1.0 / (1.0 + exp(-x));
}

fn unary_hardsigmoid(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return clamp(p.alpha * x + p.beta, vec4<f32>(0.0), vec4<f32>(1.0));
}

fn unary_hardswish(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return x * clamp(x * (1.0 / 6.0) + 0.5, vec4<f32>(0.0), vec4<f32>(1.0));
}

// The built-in may overflow for large arguments and lose digits near zero: a series inside 0.25, saturation outside 10.
fn unary_tanh(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  let c = clamp(x, vec4<f32>(-10.0), vec4<f32>(10.0));
  let e = exp(2.0 * c);
  let s = c * c;
  let near = c * (1.0 + s * (-1.0 / 3.0 + s * (2.0 / 15.0 + s * (-17.0 / 315.0 + s * (62.0 / 2835.0)))));
  return select(1.0 - 2.0 / (e + 1.0), near, abs(c) < vec4<f32>(0.25));
}

fn unary_sqrt(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return sqrt(x);
}

fn unary_exp(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return exp(x);
}

fn unary_log(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return log(x);
}

fn unary_abs(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return abs(x);
}

fn unary_neg(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return -x;
}

fn unary_reciprocal(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return 1.0 / x;
}

fn unary_floor(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return floor(x);
}

fn unary_ceil(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  return ceil(x);
}

// erf(x) = 2/√π e^(-x²) Σ 2^n x^(2n+1) / (1·3·…·(2n+1)): every term positive, so nothing cancels; it has converged to float32 by n = 40
// for |x| ≤ 3.2, and beyond 4 erf is 1.
fn unary_erf(x: vec4<f32>, p: UnaryParams) -> vec4<f32> {
  let c = min(abs(x), vec4<f32>(4.0));
  let s = c * c;
  var term = c;
  var sum = c;
  for (var n = 1; n < 60; n++) {
    term *= 2.0 * s / f32(2 * n + 1);
    sum += term;
  }
  return sign(x) * min(1.1283791670955126 * exp(-s) * sum, vec4<f32>(1.0));
}
