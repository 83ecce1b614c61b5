// Reshape of bytes whose rows change length: element e moves from its place in rows of `in_length` to rows of `out_length`; both start
// words. One output word a thread, through a table where the grids differ.
// #include common/flat.wgsl
// #include common/bytes.wgsl
struct Params {
  count: u32,
  in_length: u32,
  out_length: u32,
  use_table: u32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let words = (params.out_length + 3u) / 4u;
  let in_row = (params.in_length + 3u) / 4u * 4u;
  var bytes = vec4<i32>(0);
  for (var lane = 0u; lane < 4u; lane++) {
    let column = i % words * 4u + lane;
    if (column < params.out_length) {
      let e = i / words * params.out_length + column;
      let p = e / params.in_length * in_row + e % params.in_length;
      var v = byte_of(x[p / 4u], p % 4u);
      if (params.use_table != 0u) {
        let entry = u32(v) & 255u;
        v = byte_of(table[entry / 4u], entry % 4u);
      }
      bytes[lane] = v;
    }
  }
  out[i] = pack(bytes);
}
