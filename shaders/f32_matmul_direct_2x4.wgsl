// MatMul of two activations: two rows × four columns a thread, any strides.
// #include common/flat.wgsl
// #include common/matmul_params.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  var i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let n4 = (params.n + 3u) / 4u;
  let n = (i % n4) * 4u;
  i /= n4;
  let m2 = (params.m + 1u) / 2u;
  let m = (i % m2) * 2u;
  let batch = i / m2;
  let start = batch_start(batch);
  let row0 = start.x + m * params.a_row;
  let row1 = start.x + min(m + 1u, params.m - 1u) * params.a_row;
  let column = vec4<u32>(start.y) + min(vec4<u32>(n) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.n - 1u)) * params.b_n;
  var c0 = vec4<f32>(0.0);
  var c1 = vec4<f32>(0.0);
  for (var k = 0u; k < params.k; k++) {
    let at = column + vec4<u32>(k * params.b_k);
    let v = vec4<f32>(b[at.x], b[at.y], b[at.z], b[at.w]);
    c0 += a[row0 + k * params.a_k] * v;
    c1 += a[row1 + k * params.a_k] * v;
  }
  for (var j = 0u; j < 4u; j++) {
    if (n + j < params.n) {
      out[(batch * params.m + m) * params.n + n + j] = c0[j];
      if (m + 1u < params.m) {
        out[(batch * params.m + m + 1u) * params.n + n + j] = c1[j];
      }
    }
  }
}
