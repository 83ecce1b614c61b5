// Dense layer of few rows on a hardware GPU: LANES threads share ROWS rows × four columns, each its part of k, then add up in workgroup
// memory; weights are read once for all rows. A workgroup holds four such columns.
// #param ROWS = 1 | 4 | 8
// #param LANES = 16 | 32
// #param ACCESS = f32_rows_vec4 | f32_rows_scalar
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include common/fma4.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;

const LANES = {{LANES}}u;
const COLUMNS = 4u;

var<workgroup> partial: array<array<vec4<f32>, {{4*LANES}}>, {{ROWS}}>;

@compute @workgroup_size(COLUMNS, LANES, 1)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_id) lid: vec3<u32>) {
  let n4 = min(wid.x * COLUMNS + lid.x, params.n4 - 1u);
  let m = wid.y * {{ROWS}}u;
  let last = params.m - 1u;
  // #repeat R {{ROWS}}
  let r{{R}} = row_of(min(m + {{R}}u, last), 0u);
  var c{{R}} = vec4<f32>(0.0);
  // #end
  for (var k4 = lid.y; k4 < params.k4; k4 += LANES) {
    let at = k4 * 4u * params.n4 + n4;
    // #repeat K 4
    let w{{K}} = w[at + {{K}}u * params.n4];
    // #end
    // #repeat R {{ROWS}}
    c{{R}} = add(c{{R}}, load_a(r{{R}}, k4), w0, w1, w2, w3);
    // #end
  }
  let slot = lid.y * COLUMNS + lid.x;
  // #repeat R {{ROWS}}
  partial[{{R}}][slot] = c{{R}};
  // #end
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lid.y < half) {
      // #repeat R {{ROWS}}
      partial[{{R}}][slot] += partial[{{R}}][slot + half * COLUMNS];
      // #end
    }
  }
  if (lid.y == 0u && wid.x * COLUMNS + lid.x < params.n4) {
    // #repeat R {{ROWS}}
    store(m + {{R}}u, n4 * 4u, 0u, bias[n4] + partial[{{R}}][lid.x]);
    // #end
  }
}
