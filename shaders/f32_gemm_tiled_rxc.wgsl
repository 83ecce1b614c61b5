// Dense layers and convolutions (implicit GEMM) on hardware GPUs: both operands in tiles of workgroup memory, ROWS × 4·COLUMNS outputs a
// thread of X × Y, so that a workgroup has Y·ROWS × 4·X·COLUMNS; 4·DEPTH of k a step. 32 × 32 by 8 × 8 threads of 4 × 4 is the common
// ancestor of tfjs' and onnxruntime's packed kernels.
// Weights [k][n/4] as vec4, rows padded to four; bias padded to four. Grid: x tiles (columns fastest), folded into y; z groups, or slices of k
// of groups.
// #param X = 8 | 16
// #param Y = 8 | 16
// #param ROWS = 4 | 8
// #param COLUMNS = 1 | 2
// #param DEPTH = 4 | 8
// #param LOADS_A = 1 | 4
// #param LOADS_W = 1 | 2 | 4
// #param ACCESS = f32_rows_vec4 | f32_rows_scalar | f32_conv_vec4 | f32_conv_scalar
// #param PART = whole | sliced
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include common/fma4.wgsl
// #include access/{{ACCESS}}.wgsl
// #include part/{{PART}}.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;

override FIT_K: bool = false;   // steps divide k, or every slice of it

const X = {{X}}u;
const WIDTH = {{X*COLUMNS}}u;      // vec4 columns of a tile
const THREADS = {{X*Y}}u;

var<workgroup> tile_a: array<array<vec4<f32>, {{DEPTH}}>, {{Y*ROWS}}>;       // [row][k4]
var<workgroup> tile_w: array<array<vec4<f32>, {{X*COLUMNS}}>, {{4*DEPTH}}>;  // [k][n4]

@compute @workgroup_size({{X}}, {{Y}}, 1)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) nwg: vec3<u32>,
  @builtin(local_invocation_id) lid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let part = part_of(wid.z);
  let tiles_n = (params.n4 + WIDTH - 1u) / WIDTH;
  let tile = wid.y * nwg.x + wid.x;
  let m_first = (tile / tiles_n) * {{Y*ROWS}}u;
  let n4_first = (tile % tiles_n) * WIDTH;
  let last = params.m - 1u;
  let last_n4 = params.n4 - 1u;
  // What this thread fetches: its own k4 of every so manieth row of A, its own column of every so manieth row of the weights.
  let a_k4 = local % {{DEPTH}}u;
  let a_row = local / {{DEPTH}}u;
  // #repeat L {{LOADS_A}}
  let r{{L}} = row_of(min(m_first + a_row + {{L}}u * (THREADS / {{DEPTH}}u), last), part.group);
  // #end
  let w_column = local % WIDTH;
  let w_row = local / WIDTH;
  let weights = part.group * params.k4 * 4u * params.n4 + min(n4_first + w_column, last_n4);
  // #repeat C {{COLUMNS}}
  let start{{C}} = start_of(part.group * params.n4 + min(n4_first + lid.x + {{C}}u * X, last_n4));
  // #repeat R {{ROWS}}
  var c{{R}}_{{C}} = start{{C}};
  // #end
  // #end
  for (var first = part.first; first < part.end; first += {{DEPTH}}u) {
    let inside = FIT_K || first + a_k4 < part.end;
    // #repeat L {{LOADS_A}}
    if (inside) {
      tile_a[a_row + {{L}}u * (THREADS / {{DEPTH}}u)][a_k4] = load_a(r{{L}}, first + a_k4);
    } else {
      tile_a[a_row + {{L}}u * (THREADS / {{DEPTH}}u)][a_k4] = vec4<f32>(0.0);
    }
    // #end
    // #repeat L {{LOADS_W}}
    {
      let row = w_row + {{L}}u * (THREADS / WIDTH);
      let k = first * 4u + row;
      if (FIT_K || k < part.end * 4u) {
        tile_w[row][w_column] = w[weights + k * params.n4];
      } else {
        tile_w[row][w_column] = vec4<f32>(0.0);
      }
    }
    // #end
    workgroupBarrier();
    for (var j = 0u; j < {{DEPTH}}u; j++) {
      // #repeat C {{COLUMNS}}
      // #repeat K 4
      let w{{K}}_{{C}} = tile_w[j * 4u + {{K}}u][lid.x + {{C}}u * X];
      // #end
      // #end
      // #repeat R {{ROWS}}
      let a{{R}} = tile_a[lid.y * {{ROWS}}u + {{R}}u][j];
      // #repeat C {{COLUMNS}}
      c{{R}}_{{C}} = add(c{{R}}_{{C}}, a{{R}}, w0_{{C}}, w1_{{C}}, w2_{{C}}, w3_{{C}});
      // #end
      // #end
    }
    workgroupBarrier();
  }
  let m = m_first + lid.y * {{ROWS}}u;
  // #repeat R {{ROWS}}
  // #repeat C {{COLUMNS}}
  store(m + {{R}}u, (n4_first + lid.x + {{C}}u * X) * 4u, part.column, c{{R}}_{{C}});
  // #end
  // #end
}
