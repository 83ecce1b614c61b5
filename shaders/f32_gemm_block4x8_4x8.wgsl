// Block-CSR: weights zero in blocks of four consecutive k × eight output channels (so also in 8×8 and 16×16 ones). Each block of channels
// has one list of the blocks that are left; a block's inputs are contiguous and come four at once. Four rows × eight columns a thread.
// starts [groups × n8 + 1] into positions; weights four rows of two vec4 a block.
// #param ACCESS = f32_unit_rows | f32_unit_conv
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> starts: array<u32>;
@group(0) @binding(6) var<storage, read> positions: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let group = wid.z;
  let n8 = i % params.n8;
  let m = (i / params.n8) * 4u;
  if (m >= params.m) {
    return;
  }
  let last = params.m - 1u;
  let r0 = row_of(m, group);
  let r1 = row_of(min(m + 1u, last), group);
  let r2 = row_of(min(m + 2u, last), group);
  let r3 = row_of(min(m + 3u, last), group);
  let block = group * params.n8 + n8;
  var c0 = bias[block * 2u];
  var c1 = c0;
  var c2 = c0;
  var c3 = c0;
  var d0 = bias[block * 2u + 1u];
  var d1 = d0;
  var d2 = d0;
  var d3 = d0;
  let end = starts[block + 1u];
  for (var e = starts[block]; e < end; e++) {
    let position = positions[e];
    let a0 = gather(r0, position);
    let a1 = gather(r1, position);
    let a2 = gather(r2, position);
    let a3 = gather(r3, position);
    let at = e * 8u;
    let u0 = w[at];
    let v0 = w[at + 1u];
    let u1 = w[at + 2u];
    let v1 = w[at + 3u];
    let u2 = w[at + 4u];
    let v2 = w[at + 5u];
    let u3 = w[at + 6u];
    let v3 = w[at + 7u];
    c0 += a0.x * u0 + a0.y * u1 + a0.z * u2 + a0.w * u3;
    d0 += a0.x * v0 + a0.y * v1 + a0.z * v2 + a0.w * v3;
    c1 += a1.x * u0 + a1.y * u1 + a1.z * u2 + a1.w * u3;
    d1 += a1.x * v0 + a1.y * v1 + a1.z * v2 + a1.w * v3;
    c2 += a2.x * u0 + a2.y * u1 + a2.z * u2 + a2.w * u3;
    d2 += a2.x * v0 + a2.y * v1 + a2.z * v2 + a2.w * v3;
    c3 += a3.x * u0 + a3.y * u1 + a3.z * u2 + a3.w * u3;
    d3 += a3.x * v0 + a3.y * v1 + a3.z * v2 + a3.w * v3;
  }
  let n = n8 * 8u;
  let column = group * params.n;
  store(m, n, column, c0);
  store(m, n + 4u, column, d0);
  store(m + 1u, n, column, c1);
  store(m + 1u, n + 4u, column, d1);
  store(m + 2u, n, column, c2);
  store(m + 2u, n + 4u, column, d2);
  store(m + 3u, n, column, c3);
  store(m + 3u, n + 4u, column, d3);
}
