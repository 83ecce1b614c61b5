// Weights with zeros anywhere: every output channel has a list of its own, an entry is position and weight in two words. Eight rows × one
// column a thread, neighbouring threads on neighbouring rows so that they walk one list together. The baseline that says from what share
// of zeros unstructured sparsity pays at all.
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

fn put(m: u32, column: u32, v: f32) {
  if (m < params.m) {
    let at = m * params.out_stride + column;
    out[at] = finish_one(v, at);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let rows = (params.m + 7u) / 8u;
  let m = (i % rows) * 8u;
  let n = i / rows;
  if (n >= params.n) {
    return;
  }
  let group = wid.z;
  let last = params.m - 1u;
  let r0 = row_of(m, group);
  let r1 = row_of(min(m + 1u, last), group);
  let r2 = row_of(min(m + 2u, last), group);
  let r3 = row_of(min(m + 3u, last), group);
  let r4 = row_of(min(m + 4u, last), group);
  let r5 = row_of(min(m + 5u, last), group);
  let r6 = row_of(min(m + 6u, last), group);
  let r7 = row_of(min(m + 7u, last), group);
  let column = group * params.n + n;
  var c = vec4<f32>(bias[column]);
  var d = c;
  let end = starts[column + 1u];
  for (var e = starts[column]; e < end; e++) {
    let entry = entries[e];
    let position = entry.x;
    let w = bitcast<f32>(entry.y);
    c += vec4<f32>(gather(r0, position), gather(r1, position), gather(r2, position), gather(r3, position)) * w;
    d += vec4<f32>(gather(r4, position), gather(r5, position), gather(r6, position), gather(r7, position)) * w;
  }
  put(m, column, c.x);
  put(m + 1u, column, c.y);
  put(m + 2u, column, c.z);
  put(m + 3u, column, c.w);
  put(m + 4u, column, d.x);
  put(m + 5u, column, d.y);
  put(m + 6u, column, d.z);
  put(m + 7u, column, d.w);
}
