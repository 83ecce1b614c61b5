// An entry of a list is one input position, multiplied one by one, without dot products: weights two words.
@group(0) @binding(3) var<storage, read> w: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read> positions: array<u32>;

struct Weights {
  left: vec4<i32>,
  right: vec4<i32>,
};

fn weights_of(entry: u32) -> Weights {
  let words = w[entry];
  return Weights(unpack(words.x), unpack(words.y));
}

fn input_of(row: Row, position: u32) -> i32 {
  return gather(row, position);
}

fn products(a: i32, weights: vec4<i32>) -> vec4<i32> {
  return a * weights;
}
