// Weights zero in blocks of one input position × 4·X output channels, on hardware GPUs: a workgroup takes one block of channels, gathers the
// inputs of 32 entries of its list for 4·Y rows into workgroup memory, beside their weights, and goes on as the dense tile does.
// starts [groups × lists + 1] into positions, lists filled up to four entries with weights of zero; weights [entry][4·X].
// Grid: x rows, y lists of one group, z groups.
// #param X = 4 | 8
// #param Y = 8 | 16
// #param LOADS_A = 4 | 8
// #param ACCESS = f32_gather_rows | f32_gather_conv
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include common/fma4.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> starts: array<u32>;
@group(0) @binding(6) var<storage, read> positions: array<vec4<u32>>;

const X = {{X}}u;
const THREADS = {{X*Y}}u;
const DEPTH = 8u;  // units of four entries a step

var<workgroup> tile_a: array<array<vec4<f32>, DEPTH>, {{4*Y}}>;  // [row][unit]
var<workgroup> tile_w: array<array<vec4<f32>, X>, 32>;           // [entry][n4]

@compute @workgroup_size({{X}}, {{Y}}, 1)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) nwg: vec3<u32>,
  @builtin(local_invocation_id) lid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let group = wid.z;
  let m_first = wid.x * {{4*Y}}u;
  let last = params.m - 1u;
  let list = group * nwg.y + wid.y;
  let start = starts[list];
  let end = starts[list + 1u];
  let unit = local % DEPTH;
  // #repeat L {{LOADS_A}}
  let r{{L}} = row_of(min(m_first + local / DEPTH + {{L}}u * (THREADS / DEPTH), last), group);
  // #end
  let start_bias = bias[list * X + lid.x];
  // #repeat R 4
  var c{{R}} = start_bias;
  // #end
  for (var first = start; first < end; first += 32u) {
    let inside = first + unit * 4u < end;
    let at = positions[select(start, first + unit * 4u, inside) / 4u];
    // #repeat L {{LOADS_A}}
    tile_a[local / DEPTH + {{L}}u * (THREADS / DEPTH)][unit] = select(
      vec4<f32>(0.0),
      vec4<f32>(gather(r{{L}}, at.x), gather(r{{L}}, at.y), gather(r{{L}}, at.z), gather(r{{L}}, at.w)),
      inside,
    );
    // #end
    for (var entry = lid.y; entry < 32u; entry += {{Y}}u) {
      let present = first + entry < end;
      tile_w[entry][lid.x] = select(vec4<f32>(0.0), w[select(start, first + entry, present) * X + lid.x], present);
    }
    workgroupBarrier();
    for (var j = 0u; j < DEPTH; j++) {
      // #repeat K 4
      let w{{K}} = tile_w[j * 4u + {{K}}u][lid.x];
      // #end
      // #repeat R 4
      c{{R}} = add(c{{R}}, tile_a[lid.y * 4u + {{R}}u][j], w0, w1, w2, w3);
      // #end
    }
    workgroupBarrier();
  }
  let n = (wid.y * X + lid.x) * 4u;
  // #repeat R 4
  store(m_first + lid.y * 4u + {{R}}u, n, group * params.n, c{{R}});
  // #end
}
