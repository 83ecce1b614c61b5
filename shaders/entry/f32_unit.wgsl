// An entry of a list is four consecutive input positions (so weights may also be zero in blocks of 8×8 and 16×16), contiguous and read at
// once: weights four rows of two vec4.
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;

struct Columns {
  k0: vec4<f32>,
  k1: vec4<f32>,
  k2: vec4<f32>,
  k3: vec4<f32>,
};

struct Weights {
  left: Columns,
  right: Columns,
};

fn weights_of(entry: u32) -> Weights {
  let at = entry * 8u;
  return Weights(Columns(w[at], w[at + 2u], w[at + 4u], w[at + 6u]), Columns(w[at + 1u], w[at + 3u], w[at + 5u], w[at + 7u]));
}

fn products(a: vec4<f32>, weights: Columns) -> vec4<f32> {
  return a.x * weights.k0 + a.y * weights.k1 + a.z * weights.k2 + a.w * weights.k3;
}
