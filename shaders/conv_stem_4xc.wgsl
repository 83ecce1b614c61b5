// First convolutions of three channels: four neighbouring pixels of an output line × 4·COLUMNS columns a thread, a dispatch for so many columns.
// A thread reads each line of the image once for all its windows, and multiplies the 3·KERNEL values of a window's row, where other kernels pad
// them to a multiple of four.
// Every weight stands at a place that is known when the pipeline is made, in an array of known length: SwiftShader 5.0 then loads it once and
// not lane by lane. Half the time of f32_gemm_share_16x8 for 8 columns, a third of f32_conv_quad_rx4 for 32. Eight or sixteen pixels a thread and
// 32 columns gain nothing and compile three times as long (2026-11-30).
// Weights [kernel row][kernel column][channel][4·COLUMNS] in float32, of bytes too.
// #param TYPE = f32 | i8
// #param KERNEL = 3
// #param STRIDE = 1 | 2
// #param COLUMNS = 2 | 4
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include stem/{{TYPE}}.wgsl
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>, {{3*KERNEL*KERNEL*COLUMNS}}>;

fn add3(c: vec4<f32>, p: vec3<f32>, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>) -> vec4<f32> {
  return fma(vec4<f32>(p.z), w2, fma(vec4<f32>(p.y), w1, fma(vec4<f32>(p.x), w0, c)));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  let strips = (params.out_w + 3u) / 4u;
  let line = i / strips;
  let column = i % strips * 4u;
  let m = line * params.out_w + column;
  if (m >= params.m) {
    return;
  }
  let y = i32(line % params.out_h * {{STRIDE}}u) - params.pad_top;
  let x = (i32(column * {{STRIDE}}u) - params.pad_left) * PIXEL;
  let image = i32(line / params.out_h) * params.in_h;
  // #repeat C {{COLUMNS}}
  // #repeat R 4
  var c{{R}}_{{C}} = vec4<f32>(0.0);
  // #end
  // #end
  // #repeat Y {{KERNEL}}
  {
    let inside = (y + {{Y}} >= 0) & (y + {{Y}} < params.in_h);
    let start = (image + y + {{Y}}) * params.line;
    // #repeat P {{3*STRIDE+KERNEL}}
    let p{{P}} = pixel(start, x + {{P}} * PIXEL, inside);
    // #end
    // #repeat X {{KERNEL}}
    // #repeat C {{COLUMNS}}
    {
      // #repeat K 3
      let w{{K}} = w[{{Y*KERNEL*3*COLUMNS+X*3*COLUMNS+K*COLUMNS+C}}];
      // #end
      // #repeat R 4
      c{{R}}_{{C}} = add3(c{{R}}_{{C}}, p{{R*STRIDE+X}}, w0, w1, w2);
      // #end
    }
    // #end
    // #end
  }
  // #end
  // #repeat C {{COLUMNS}}
  if (FIT_MN || params.part + {{C}}u < params.n4) {
    let ending = ending_of(params.part + {{C}}u);
    // #repeat R 4
    if (FIT_MN || column + {{R}}u < params.out_w) {
      store_sum(m + {{R}}u, params.part + {{C}}u, c{{R}}_{{C}}, ending);
    }
    // #end
  }
  // #end
}
