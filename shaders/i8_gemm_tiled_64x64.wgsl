// Integer dense layers and convolutions (implicit GEMM) on hardware GPUs: 64 × 64 outputs a workgroup of X × Y threads, ROWS × 4·COLUMNS a
// thread, 64 of k a step (8 KiB of workgroup memory). Sixteen bytes at once all the way: rows of A and of the weights are vec4 of words, so
// rows (a pixel's channels, in every group) are multiples of sixteen bytes. Workgroup memory goes by k first: threads side by side read
// rows that lie side by side.
// Weights [n][k/16] as vec4 of words, n padded to four; columns as common/{i8,dynamic}_store.wgsl.
// Grid: x tiles (columns fastest), folded into y; z groups.
// #param X = 8 | 16
// #param Y = 8 | 16
// #param ROWS = 4 | 8
// #param COLUMNS = 1 | 2
// #param LOADS = 1 | 4
// #param ACCESS = i8_rows_vec4 | i8_conv_vec4
// #param DOT4 = dot4I8Packed | dot4_unpack
// #param STORE = i8_store | dynamic_store
// #include common/gemm_params.wgsl
// #include common/bytes.wgsl
// #include common/dot4.wgsl
// #include common/requantize.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/{{STORE}}.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<u32>>;

override FIT_K: bool = false;  // steps divide k

const X = {{X}}u;
const THREADS = {{X*Y}}u;

var<workgroup> tile_a: array<array<vec4<u32>, 64>, 4>;  // [k16][row]
var<workgroup> tile_w: array<array<vec4<u32>, 64>, 4>;  // [k16][column]

fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return {{DOT4}}(a.x, b.x) + {{DOT4}}(a.y, b.y) + {{DOT4}}(a.z, b.z) + {{DOT4}}(a.w, b.w);
}

@compute @workgroup_size({{X}}, {{Y}}, 1)
fn main(
  @builtin(workgroup_id) wid: vec3<u32>,
  @builtin(num_workgroups) nwg: vec3<u32>,
  @builtin(local_invocation_id) lid: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let group = wid.z;
  let tiles_n = (params.n4 + 15u) / 16u;
  let tile = wid.y * nwg.x + wid.x;
  let m_first = (tile / tiles_n) * 64u;
  let n4_first = (tile % tiles_n) * 16u;
  let k16s = params.k4 / 4u;
  let last = params.m - 1u;
  let last_n4 = params.n4 - 1u;
  let last_n = params.n4 * 4u - 1u;
  // What this thread fetches: its own k16 of a step, of every so manieth row.
  let block = local % 4u;
  let line = local / 4u;
  // #repeat L {{LOADS}}
  let r{{L}} = row_of(min(m_first + line + {{L}}u * (THREADS / 4u), last), group);
  let w{{L}} = (group * params.n4 * 4u + min(n4_first * 4u + line + {{L}}u * (THREADS / 4u), last_n)) * k16s;
  // #end
  // #repeat C {{COLUMNS}}
  let column{{C}} = columns[group * params.n4 + min(n4_first + lid.x + {{C}}u * X, last_n4)];
  // #repeat R {{ROWS}}
  var c{{R}}_{{C}} = column{{C}}.bias;
  // #end
  // #end
  for (var first = 0u; first < k16s; first += 4u) {
    let k16 = first + block;
    if (FIT_K || k16 < k16s) {
      // #repeat L {{LOADS}}
      tile_a[block][line + {{L}}u * (THREADS / 4u)] = load_a16(r{{L}}, k16);
      tile_w[block][line + {{L}}u * (THREADS / 4u)] = w[w{{L}} + k16];
      // #end
    }
    workgroupBarrier();
    let count = select(min(4u, k16s - first), 4u, FIT_K);
    for (var j = 0u; j < count; j++) {
      // #repeat R {{ROWS}}
      let a{{R}} = tile_a[j][lid.y * {{ROWS}}u + {{R}}u];
      // #end
      // #repeat C {{COLUMNS}}
      {
        let n = (lid.x + {{C}}u * X) * 4u;
        let b0 = tile_w[j][n];
        let b1 = tile_w[j][n + 1u];
        let b2 = tile_w[j][n + 2u];
        let b3 = tile_w[j][n + 3u];
        // #repeat R {{ROWS}}
        c{{R}}_{{C}} += vec4<i32>(dot16(a{{R}}, b0), dot16(a{{R}}, b1), dot16(a{{R}}, b2), dot16(a{{R}}, b3));
        // #end
      }
      // #end
    }
    workgroupBarrier();
  }
  let m = m_first + lid.y * {{ROWS}}u;
  // #repeat C {{COLUMNS}}
  // #repeat R {{ROWS}}
  store(m + {{R}}u, n4_first + lid.x + {{C}}u * X, group * params.n4, c{{R}}_{{C}}, column{{C}}.scale);
  // #end
  // #end
}
