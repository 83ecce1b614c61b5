// Integer dense layers and convolutions (implicit GEMM), four rows × four columns a thread, four of k a dot product, no workgroup memory.
// Weights [k/4][n/4] as vec4 of words: lane j holds four consecutive k of column j. The input's zero point is folded into the bias.
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

fn dot_columns(a: u32, w4: vec4<u32>) -> vec4<i32> {
  return vec4<i32>({{DOT4}}(a, w4.x), {{DOT4}}(a, w4.y), {{DOT4}}(a, w4.z), {{DOT4}}(a, w4.w));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let group = wid.z;
  let n4 = i % params.n4;
  let m = (i / params.n4) * 4u;
  if (m >= params.m) {
    return;
  }
  let last = params.m - 1u;
  let r0 = row_of(m, group);
  let r1 = row_of(min(m + 1u, last), group);
  let r2 = row_of(min(m + 2u, last), group);
  let r3 = row_of(min(m + 3u, last), group);
  let column = columns[group * params.n4 + n4];
  var c0 = column.bias;
  var c1 = c0;
  var c2 = c0;
  var c3 = c0;
  var at = group * params.k4 * params.n4 + n4;
  for (var sy = 0u; sy < params.segments_y; sy++) {
    for (var sx = 0u; sx < params.segments_x; sx++) {
      let run0 = run_of(r0, sy, sx);
      let run1 = run_of(r1, sy, sx);
      let run2 = run_of(r2, sy, sx);
      let run3 = run_of(r3, sy, sx);
      for (var j4 = 0u; j4 < params.run4; j4++) {
        let w4 = w[at];
        at += params.n4;
        c0 += dot_columns(load_run(run0, j4), w4);
        c1 += dot_columns(load_run(run1, j4), w4);
        c2 += dot_columns(load_run(run2, j4), w4);
        c3 += dot_columns(load_run(run3, j4), w4);
      }
    }
  }
  let column4 = group * params.n4;
  store(m, n4, column4, c0, column.scale);
  store(m + 1u, n4, column4, c1, column.scale);
  store(m + 2u, n4, column4, c2, column.scale);
  store(m + 3u, n4, column4, c3, column.scale);
}
