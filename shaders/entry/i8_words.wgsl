// Weights two vec4 of words an entry: lane j four values of k of column j.
// #include common/dot4.wgsl
// #include common/dot_columns.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<u32>>;

struct Weights {
  left: vec4<u32>,
  right: vec4<u32>,
};

fn weights_of(entry: u32) -> Weights {
  return Weights(w[entry * 2u], w[entry * 2u + 1u]);
}

fn products(a: u32, weights: vec4<u32>) -> vec4<i32> {
  return dot_columns(a, weights);
}
