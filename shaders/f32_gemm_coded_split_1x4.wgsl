// As f32_gemm_split_1x4 on weights that stay in their compact code: 16 threads share one row × four columns, each a sixteenth of k.
// #param ACCESS = f32_rows_vec4 | f32_rows_scalar
// #param CODE = codebook4_near | codebook8_near | int4 | int8 | float16 | float16_native | nm24
// #include code/{{CODE}}.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;

const LANES = 16u;
const COLUMNS = 4u;

var<workgroup> partial: array<vec4<f32>, 64>;

@compute @workgroup_size(COLUMNS, LANES, 1)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(local_invocation_id) lid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  prepare(local);
  let n4 = min(wid.x * COLUMNS + lid.x, params.n4 - 1u);
  let row = row_of(wid.y, 0u);
  var c = vec4<f32>(0.0);
  for (var k4 = lid.y; k4 < params.k4; k4 += LANES) {
    var scale = vec4<f32>(1.0);
    if (SCALED) {
      scale = scale_of((k4 / params.scale_k4) * params.n4 + n4);
    }
    let w = load_block(k4 * params.n4 + n4, scale);
    let v = load_a(row, k4);
    c += v.x * w.k0 + v.y * w.k1 + v.z * w.k2 + v.w * w.k3;
  }
  partial[lid.y * COLUMNS + lid.x] = c;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lid.y < half) {
      partial[lid.y * COLUMNS + lid.x] += partial[(lid.y + half) * COLUMNS + lid.x];
    }
  }
  if (lid.y == 0u && wid.x * COLUMNS + lid.x < params.n4) {
    store(wid.y, n4 * 4u, 0u, bias[n4] + partial[lid.x]);
  }
}
