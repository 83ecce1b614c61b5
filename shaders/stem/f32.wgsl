// Images and outputs of float32. Units are values. Bias padded to four.
// #include common/activation.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;

const PIXEL = 3;

fn pixel(line: i32, x: i32, inside: bool) -> vec3<f32> {
  let valid = inside & (x >= 0) & (x < params.line);
  let at = u32(select(0, line + x, valid));
  return select(vec3<f32>(0.0), vec3<f32>(a[at], a[at + 1u], a[at + 2u]), valid);
}

fn ending_of(n4: u32) -> vec4<f32> {
  return bias[n4];
}

fn store_sum(m: u32, n4: u32, sum: vec4<f32>, ending: vec4<f32>) {
  store(m, n4 * 4u, 0u, sum + ending);
}
