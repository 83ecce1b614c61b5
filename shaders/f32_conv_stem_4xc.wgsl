// First convolutions of three channels: four neighbouring pixels of an output line × 4·COLUMNS columns, all that there are, a thread. A
// thread reads each line of the image once for all its windows, and multiplies the 3·KERNEL values of a window's row, where other kernels
// pad them to a multiple of four.
// Every weight stands at a place that is known when the pipeline is made, in an array of known length: SwiftShader 5.0 then loads it once and
// not lane by lane. Half the time of f32_gemm_share_16x8 for 8 columns, and of f32_conv_quad_rx4 for 32; eight or sixteen pixels a thread gain
// nothing and compile three times as long (2026-11-30).
// Weights [kernel row][kernel column][channel][4·COLUMNS]; bias padded likewise.
// #param KERNEL = 3
// #param STRIDE = 1 | 2
// #param COLUMNS = 2 | 4 | 8
// #include common/flat.wgsl
// #include common/gemm_params.wgsl
// #include common/activation.wgsl
// #include common/f32_store.wgsl
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>, {{3*KERNEL*KERNEL*COLUMNS}}>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>, {{COLUMNS}}>;

fn add3(c: vec4<f32>, p: vec3<f32>, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>) -> vec4<f32> {
  return fma(vec4<f32>(p.z), w2, fma(vec4<f32>(p.y), w1, fma(vec4<f32>(p.x), w0, c)));
}

fn pixel(line: i32, x: i32, inside: bool) -> vec3<f32> {
  let valid = inside & (x >= 0) & (x < params.line);
  let at = u32(select(0, line + x, valid));
  return select(vec3<f32>(0.0), vec3<f32>(a[at], a[at + 1u], a[at + 2u]), valid);
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
  let x = (i32(column * {{STRIDE}}u) - params.pad_left) * 3;
  let image = i32(line / params.out_h) * params.in_h;
  // #repeat C {{COLUMNS}}
  // #repeat R 4
  var c{{R}}_{{C}} = bias[{{C}}];
  // #end
  // #end
  // #repeat Y {{KERNEL}}
  {
    let inside = (y + {{Y}} >= 0) & (y + {{Y}} < params.in_h);
    let start = (image + y + {{Y}}) * params.line;
    // #repeat P {{3*STRIDE+KERNEL}}
    let p{{P}} = pixel(start, x + {{3*P}}, inside);
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
  // #repeat R 4
  if (FIT_MN || column + {{R}}u < params.out_w) {
    // #repeat C {{COLUMNS}}
    store(m + {{R}}u, {{4*C}}u, 0u, c{{R}}_{{C}});
    // #end
  }
  // #end
}
