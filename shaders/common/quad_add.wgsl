// What four neighbouring threads (a quad) add up of k: each brings one value of A, and all four rows of the weights in the order of the
// shuffles.
// SwiftShader's fma takes half as long as a product and a sum.
fn add(c: vec4<f32>, x: f32, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) -> vec4<f32> {
  let own = fma(vec4<f32>(x), w0, c);
  let two = fma(vec4<f32>(quadSwapX(x)), w1, own);
  let three = fma(vec4<f32>(quadSwapY(x)), w2, two);
  return fma(vec4<f32>(quadSwapDiagonal(x)), w3, three);
}
