// Dense layer of few rows on a hardware GPU: 16 threads share one row × four columns, each a sixteenth of k, then add up in workgroup
// memory. A workgroup holds four such columns. Rows of A are multiples of four values (or padded reads).
// #param ACCESS = f32_rows_vec4 | f32_rows_scalar
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;

const LANES = 16u;
const COLUMNS = 4u;

var<workgroup> partial: array<vec4<f32>, 64>;

@compute @workgroup_size(COLUMNS, LANES, 1)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
  let n4 = min(wid.x * COLUMNS + lid.x, params.n4 - 1u);
  let row = row_of(wid.y, 0u);
  var c = vec4<f32>(0.0);
  for (var k4 = lid.y; k4 < params.k4; k4 += LANES) {
    let v = load_a(row, k4);
    let at = k4 * 4u * params.n4 + n4;
    c += v.x * w[at] + v.y * w[at + params.n4] + v.z * w[at + 2u * params.n4] + v.w * w[at + 3u * params.n4];
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
