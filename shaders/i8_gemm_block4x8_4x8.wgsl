// Block-CSR in integers: weights zero in blocks of four consecutive k × eight output channels (so also in 8×8 and 16×16 ones). A block's
// inputs are one word, so a block that is left costs what it costs in the dense kernel. Four rows × eight columns a thread.
// starts [groups × n8 + 1] into positions; weights two vec4 of words a block: lane j four k of column j.
// #param ACCESS = i8_unit_rows | i8_unit_conv
// #param DOT4 = dot4I8Packed | dot4_unpack
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/bytes.wgsl
// #include common/dot4.wgsl
// #include common/dot_columns.wgsl
// #include common/requantize.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/i8_store.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<u32>>;
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
  let left = columns[block * 2u];
  let right = columns[block * 2u + 1u];
  var c0 = left.bias;
  var c1 = c0;
  var c2 = c0;
  var c3 = c0;
  var d0 = right.bias;
  var d1 = d0;
  var d2 = d0;
  var d3 = d0;
  let end = starts[block + 1u];
  for (var e = starts[block]; e < end; e++) {
    let position = positions[e];
    let w0 = w[e * 2u];
    let w1 = w[e * 2u + 1u];
    let a0 = gather(r0, position);
    let a1 = gather(r1, position);
    let a2 = gather(r2, position);
    let a3 = gather(r3, position);
    c0 += dot_columns(a0, w0);
    d0 += dot_columns(a0, w1);
    c1 += dot_columns(a1, w0);
    d1 += dot_columns(a1, w1);
    c2 += dot_columns(a2, w0);
    d2 += dot_columns(a2, w1);
    c3 += dot_columns(a3, w0);
    d3 += dot_columns(a3, w1);
  }
  let n4 = n8 * 2u;
  let column4 = group * params.n4;
  store(m, n4, column4, c0, left.scale);
  store(m, n4 + 1u, column4, d0, right.scale);
  store(m + 1u, n4, column4, c1, left.scale);
  store(m + 1u, n4 + 1u, column4, d1, right.scale);
  store(m + 2u, n4, column4, c2, left.scale);
  store(m + 2u, n4 + 1u, column4, d2, right.scale);
  store(m + 3u, n4, column4, c3, left.scale);
  store(m + 3u, n4 + 1u, column4, d3, right.scale);
}
