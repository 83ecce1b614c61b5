// As f32_gemm_csr_8x1 for fewer than four rows: one output a thread.
// #param ACCESS = f32_gather_rows | f32_gather_conv
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include common/f32_finish.wgsl
// #include access/{{ACCESS}}.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read> entries: array<vec2<u32>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> starts: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let group = wid.z;
  let n = i % params.n;
  let m = i / params.n;
  if (m >= params.m) {
    return;
  }
  let row = row_of(m, group);
  let column = group * params.n + n;
  var c = bias[column];
  let end = starts[column + 1u];
  for (var e = starts[column]; e < end; e++) {
    let entry = entries[e];
    c += gather(row, entry.x) * bitcast<f32>(entry.y);
  }
  let at = m * params.out_stride + column;
  out[at] = finish_one(c, at);
}
