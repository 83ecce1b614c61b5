// Conversions between float32, int32 and bool (0 or 1 in a word), one value a thread. Float to integer truncates and saturates; NaN
// (told by its bits, since compilers may assume that there is none) gives 0.
// #param FROM = f32 | i32
// #param TO = f32 | i32 | bool
// #include common/flat.wgsl
struct Params {
  count: u32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;

fn f32_to_f32(w: u32) -> u32 {
  return w;
}

fn f32_to_i32(w: u32) -> u32 {
  return select(bitcast<u32>(i32(bitcast<f32>(w))), 0u, (w & 0x7fffffffu) > 0x7f800000u);
}

fn f32_to_bool(w: u32) -> u32 {
  return select(0u, 1u, bitcast<f32>(w) != 0.0);
}

fn i32_to_f32(w: u32) -> u32 {
  return bitcast<u32>(f32(bitcast<i32>(w)));
}

fn i32_to_i32(w: u32) -> u32 {
  return w;
}

fn i32_to_bool(w: u32) -> u32 {
  return select(0u, 1u, w != 0u);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i < params.count) {
    out[i] = {{FROM}}_to_{{TO}}(x[i]);
  }
}
