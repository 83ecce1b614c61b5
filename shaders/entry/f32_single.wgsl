// An entry of a list is one input position: weights two vec4.
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;

struct Weights {
  left: vec4<f32>,
  right: vec4<f32>,
};

fn weights_of(entry: u32) -> Weights {
  return Weights(w[entry * 2u], w[entry * 2u + 1u]);
}

fn products(a: f32, weights: vec4<f32>) -> vec4<f32> {
  return a * weights;
}
