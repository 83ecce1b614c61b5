fn binary_add(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return a + b;
}

fn binary_sub(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return a - b;
}

fn binary_mul(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return a * b;
}

fn binary_div(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return a / b;
}

fn binary_min(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return min(a, b);
}

fn binary_max(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return max(a, b);
}

// WGSL's pow knows positive bases only; small whole exponents are products, others take the sign of an odd exponent.
fn power(a: f32, b: f32) -> f32 {
  let whole = floor(b) == b;
  if (whole && abs(b) <= 4.0) {
    var p = 1.0;
    for (var i = 0; i < i32(abs(b)); i++) {
      p *= a;
    }
    return select(p, 1.0 / p, b < 0.0);
  }
  if (b == 0.5) {
    return sqrt(a);
  }
  let p = pow(abs(a), b);
  let odd = abs(b - 2.0 * floor(b * 0.5)) == 1.0;
  return select(p, -p, a < 0.0 && odd);
}

fn binary_pow(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(power(a.x, b.x), power(a.y, b.y), power(a.z, b.z), power(a.w, b.w));
}
