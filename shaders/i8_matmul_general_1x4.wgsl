// Integer MatMul of any two operands, any strides (in bytes): one word of four columns a thread. Scale per column.
// #include common/flat.wgsl
// #include common/matmul_params.wgsl
// #include common/bytes.wgsl
// #include common/requantize.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> a: array<u32>;
@group(0) @binding(3) var<storage, read> b: array<u32>;
@group(0) @binding(4) var<storage, read> scales: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> zeros: array<vec4<i32>>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let words = (params.n + 3u) / 4u;
  let n4 = i % words;
  let m = i / words % params.m;
  let start = batch_start(i / words / params.m);
  let row = start.x + m * params.a_row;
  let column = vec4<u32>(start.y) + min(vec4<u32>(n4 * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.n - 1u)) * params.b_n;
  let zero = zeros[n4];
  var acc = vec4<i32>(0);
  for (var k = 0u; k < params.k; k++) {
    let p = row + k * params.a_k;
    let at = column + vec4<u32>(k * params.b_k);
    let v = vec4<i32>(
      byte_of(b[at.x / 4u], at.x % 4u),
      byte_of(b[at.y / 4u], at.y % 4u),
      byte_of(b[at.z / 4u], at.z % 4u),
      byte_of(b[at.w / 4u], at.w % 4u),
    );
    acc += (byte_of(a[p / 4u], p % 4u) - params.a_zero) * (v - zero);
  }
  out[i] = pack(requantize(acc, scales[n4], params.out_zero, params.out_lo, params.out_hi));
}
