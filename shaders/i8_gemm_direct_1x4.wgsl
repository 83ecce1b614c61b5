// As i8_gemm_direct_4x4 for fewer than four rows: one row × four columns a thread.
// #param ACCESS = i8_rows | i8_conv
// #param DOT4 = dot4I8Packed | dot4_unpack
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/bytes.wgsl
// #include common/dot4.wgsl
// #include common/requantize.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/i8_store.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<u32>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let group = wid.z;
  let n4 = i % params.n4;
  let m = i / params.n4;
  if (m >= params.m) {
    return;
  }
  let row = row_of(m, group);
  let column = columns[group * params.n4 + n4];
  var c = column.bias;
  var at = group * params.k4 * params.n4 + n4;
  for (var sy = 0u; sy < params.segments_y; sy++) {
    for (var sx = 0u; sx < params.segments_x; sx++) {
      let run = run_of(row, sy, sx);
      for (var j4 = 0u; j4 < params.run4; j4++) {
        let v = load_run(run, j4);
        let w4 = w[at];
        at += params.n4;
        c += vec4<i32>({{DOT4}}(v, w4.x), {{DOT4}}(v, w4.y), {{DOT4}}(v, w4.z), {{DOT4}}(v, w4.w));
      }
    }
  }
  store(m, n4, group * params.n4, c, column.scale);
}
