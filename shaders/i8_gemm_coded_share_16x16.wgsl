// As i8_gemm_share_16x16 on weights that stay 4-bit indices: each thread decodes those of four columns for its quad.
enable subgroups;
// #param ACCESS = i8_rows | i8_conv
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/bytes.wgsl
// #include common/requantize.wgsl
// #include common/fma4.wgsl
// #include code/i8_codebook4.wgsl
// #include access/{{ACCESS}}.wgsl
// #include common/i8_store.wgsl

// Words along k whose products are summed in float32.
const EXACT = 256u;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let lane = i % 4u;
  let quad = i / 4u;
  let group = wid.z;
  let quads = (params.n4 + 3u) / 4u;
  // Threads beyond the end compute what nobody stores: a shuffle needs all four.
  let n4 = (quad % quads) * 4u;
  let m = (quad / quads) * 16u + lane * 4u;
  let last = params.m - 1u;
  // #repeat R 4
  let r{{R}} = row_of(min(m + {{R}}u, last), group);
  // #end
  // #repeat C 4
  let column{{C}} = columns[group * params.n4 + min(n4 + {{C}}u, params.n4 - 1u)];
  // #repeat R 4
  var sum{{R}}_{{C}} = column{{C}}.bias;
  // #end
  // #end
  let own4 = min(n4 + lane, params.n4 - 1u);
  let own = tables_of(group * params.n4 + own4);
  var at = group * params.k4 * params.n4 + own4;
  for (var sy = 0u; sy < params.segments_y; sy++) {
    for (var sx = 0u; sx < params.segments_x; sx++) {
      // #repeat R 4
      let run{{R}} = run_of(r{{R}}, sy, sx);
      // #end
      for (var first = 0u; first < params.run4; first += EXACT) {
        let end = min(params.run4, first + EXACT);
        // #repeat C 4
        // #repeat R 4
        var c{{R}}_{{C}} = vec4<f32>(0.0);
        // #end
        // #end
        for (var j4 = first; j4 < end; j4++) {
          let block = codes[at];
          at += params.n4;
          // Column j of this thread's four: its four values along k.
          let w0 = vec4<f32>(weights_of(own.c0, block.x, j4));
          let w1 = vec4<f32>(weights_of(own.c1, block.x >> 16u, j4));
          let w2 = vec4<f32>(weights_of(own.c2, block.y, j4));
          let w3 = vec4<f32>(weights_of(own.c3, block.y >> 16u, j4));
          // #repeat K 4
          let k{{K}} = vec4<f32>(w0[{{K}}], w1[{{K}}], w2[{{K}}], w3[{{K}}]);
          // #end
          // #repeat R 4
          let a{{R}} = vec4<f32>(unpack(load_run(run{{R}}, j4)));
          // #end
          // #repeat K 4
          // #repeat C 4
          let v{{K}}_{{C}} = quadBroadcast(k{{K}}, {{C}}u);
          // #end
          // #end
          // One sum after the other, since they are too many for registers.
          // #repeat R 4
          // #repeat C 4
          c{{R}}_{{C}} = add(c{{R}}_{{C}}, a{{R}}, v0_{{C}}, v1_{{C}}, v2_{{C}}, v3_{{C}});
          // #end
          // #end
        }
        // #repeat C 4
        // #repeat R 4
        sum{{R}}_{{C}} += vec4<i32>(c{{R}}_{{C}});
        // #end
        // #end
      }
    }
  }
  let column4 = group * params.n4;
  // #repeat R 4
  // #repeat C 4
  store(m + {{R}}u, n4 + {{C}}u, column4, sum{{R}}_{{C}}, column{{C}}.scale);
  // #end
  // #end
}
