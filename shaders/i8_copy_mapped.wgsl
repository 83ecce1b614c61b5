// As any_copy_mapped for bytes: one output word a thread. `length` bytes a row.
// #include common/flat.wgsl
// #include common/strides.wgsl
// #include common/bytes.wgsl
struct Params {
  count: u32,
  rank: u32,       // outer dimensions, without the last
  fill: i32,
  words: u32,
  length: u32,
  last_start: u32, // where the last axis' map starts
  use_table: u32,
  pad0: u32,
  sizes: Dims,
  in_steps: Dims,  // bytes
  map_starts: Dims,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> maps: array<i32>;
@group(0) @binding(4) var<storage, read> table: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let word = i % params.words;
  var rest = i / params.words;
  var source = 0u;
  var inside = true;
  for (var d = i32(params.rank) - 1; d >= 0; d--) {
    let size = params.sizes[d / 4][d % 4];
    let next = rest / size;
    let at = maps[params.map_starts[d / 4][d % 4] + rest - next * size];
    rest = next;
    inside = inside && at >= 0;
    source += u32(max(at, 0)) * params.in_steps[d / 4][d % 4];
  }
  var bytes = vec4<i32>(params.fill);
  for (var lane = 0u; lane < 4u; lane++) {
    let column = word * 4u + lane;
    if (inside && column < params.length) {
      let at = maps[params.last_start + column];
      if (at >= 0) {
        let p = source + u32(at);
        bytes[lane] = byte_of(x[p / 4u], p % 4u);
      }
    }
    if (params.use_table != 0u) {
      let entry = u32(bytes[lane]) & 255u;
      bytes[lane] = byte_of(table[entry / 4u], entry % 4u);
    }
  }
  out[i] = pack(bytes);
}
