// One int16 a thread from one value: float32 onto a grid, or from grid to grid, by a factor; or any function through a table of 65,536 entries, two a
// word. Rounds half to even.
// #param FN = quantize | scale | table
// #include common/flat.wgsl
// #include common/int16.wgsl
struct Params {
  count: u32,
  factor: f32,
  out_lo: i32,
  out_hi: i32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<i32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;

fn map_quantize(word: u32) -> i32 {
  return to_grid(bitcast<f32>(word) * params.factor, params.out_lo, params.out_hi);
}

fn map_scale(word: u32) -> i32 {
  return to_grid(f32(bitcast<i32>(word)) * params.factor, params.out_lo, params.out_hi);
}

fn map_table(word: u32) -> i32 {
  let code = word & 0xffffu;
  return extractBits(bitcast<i32>(table[code / 2u]), code % 2u * 16u, 16u);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i < params.count) {
    out[i] = map_{{FN}}(x[i]);
  }
}
