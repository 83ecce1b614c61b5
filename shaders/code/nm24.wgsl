// 2:4 weights: of four consecutive k a column keeps two. A block is two rows of values (each column's first and second) and, for each
// column, two 2-bit places in half a word of `places`.
// #include code/block.wgsl
@group(0) @binding(3) var<storage, read> codes: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> places: array<u32>;

const SCALED = false;

fn scale_of(index: u32) -> vec4<f32> {
  return vec4<f32>(1.0);
}

fn prepare(local: u32) {
}

fn pick(first: vec4<f32>, second: vec4<f32>, p: vec4<u32>, q: vec4<u32>, k: u32) -> vec4<f32> {
  let row = vec4<u32>(k);
  return select(select(vec4<f32>(0.0), second, q == row), first, p == row);
}

fn load_block(at: u32, scale: vec4<f32>) -> Block {
  let first = codes[2u * at];
  let second = codes[2u * at + 1u];
  let bits = vec4<u32>(places[at >> 1u] >> ((at & 1u) * 16u));
  let p = (bits >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(3u);
  let q = (bits >> vec4<u32>(2u, 6u, 10u, 14u)) & vec4<u32>(3u);
  return Block(
    pick(first, second, p, q, 0u),
    pick(first, second, p, q, 1u),
    pick(first, second, p, q, 2u),
    pick(first, second, p, q, 3u),
  );
}
