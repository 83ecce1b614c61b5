// As f32_gemm_lists_rx8 with single input positions, by four neighbouring threads (a quad) that share a list: each loads every fourth entry
// (a position and its eight weights) and gets the others from its neighbours by a shuffle, then multiplies it with four rows of its own.
// For software adapters, where loads are what counts (f32_gemm_quad_rx4): 25 of them for 128 vector products, where that kernel has 52.
// Lists are filled up to four entries with weights of zero. The end of a loop is the same in all threads of a quad, which is what shuffles
// need, though the compiler cannot know.
enable subgroups;
diagnostic(off, subgroup_uniformity);
// #param ACCESS = f32_gather_rows | f32_gather_conv
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include common/fma4.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> starts: array<u32>;
@group(0) @binding(6) var<storage, read> positions: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let lane = i % 4u;
  let quad = i / 4u;
  let group = wid.z;
  let n8 = quad % params.n8;
  // Threads beyond the end compute what nobody stores: a shuffle needs all four.
  let m = (quad / params.n8) * 16u + lane * 4u;
  let last = params.m - 1u;
  let block = group * params.n8 + n8;
  let left = bias[block * 2u];
  let right = bias[block * 2u + 1u];
  // #repeat R 4
  let r{{R}} = row_of(min(m + {{R}}u, last), group);
  var c{{R}} = left;
  var d{{R}} = right;
  // #end
  let end = starts[block + 1u];
  for (var first = starts[block]; first < end; first += 4u) {
    let e = first + lane;
    let position = positions[e];
    let u = w[e * 2u];
    let v = w[e * 2u + 1u];
    // #repeat K 4
    let p{{K}} = quadBroadcast(position, {{K}}u);
    let u{{K}} = quadBroadcast(u, {{K}}u);
    let v{{K}} = quadBroadcast(v, {{K}}u);
    // #end
    // #repeat R 4
    let a{{R}} = vec4<f32>(gather(r{{R}}, p0), gather(r{{R}}, p1), gather(r{{R}}, p2), gather(r{{R}}, p3));
    c{{R}} = add(c{{R}}, a{{R}}, u0, u1, u2, u3);
    d{{R}} = add(d{{R}}, a{{R}}, v0, v1, v2, v3);
    // #end
  }
  let n = n8 * 8u;
  let column = group * params.n;
  // #repeat R 4
  store(m + {{R}}u, n, column, c{{R}});
  store(m + {{R}}u, n + 4u, column, d{{R}});
  // #end
}
