// Weights of four consecutive k (rows) and four columns.
struct Block {
  k0: vec4<f32>,
  k1: vec4<f32>,
  k2: vec4<f32>,
  k3: vec4<f32>,
};
