// Depthwise convolution with a square filter, one a channel: four channels × four neighbouring columns a thread, and from row to row down a
// strip of the image, so that a line that several rows of the filter meet is read once. Filter and lines stay in registers; products and
// sums in float32, of bytes too, where they are exact (fewer than 1024 taps).
// Weights [tap][c/4]. A thread's strip has `rows` output rows; `strips` of them make a column.
// #param TYPE = f32 | i8
// #param KERNEL = 3 | 5
// #param STRIDE = 1 | 2
// #include common/flat.wgsl
// #include common/window_params.wgsl
// #include depthwise/{{TYPE}}.wgsl

override FIT_W: bool = false;  // every thread has all of its four columns

fn load_at(pixel: i32, column: i32, inside: bool, c: u32) -> vec4<f32> {
  let valid = inside & (column >= 0) & (column < params.in_w);
  return select(padding(), value(u32(select(0, pixel, valid)) * params.channels4 + c), valid);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  var i = flat_index(wid, nwg, local);
  let c = i % params.channels4;
  i /= params.channels4;
  let ox = (i % params.columns) * 4u;
  i /= params.columns;
  let first = (i % params.strips) * params.rows;
  let image = i / params.strips;
  if (image >= params.batch) {
    return;
  }
  // #repeat Y {{KERNEL}}
  // #repeat X {{KERNEL}}
  let f{{Y}}_{{X}} = filter_at({{KERNEL*Y+X}}u, c);
  // #end
  // #end
  let channel = channel_of(c);
  let x = i32(ox) * {{STRIDE}} - params.pad_left;
  var y = i32(first) * {{STRIDE}} - params.pad_top;
  var pixel = (i32(image) * params.in_h + y) * params.in_w + x;
  // vY_X: what row Y of the filter meets, for four neighbouring outputs: three strides and a kernel.
  // #repeat Y {{KERNEL-STRIDE}}
  let inside{{Y}} = (y >= 0) & (y < params.in_h);
  // #repeat X {{3*STRIDE+KERNEL}}
  var v{{Y}}_{{X}} = load_at(pixel + {{X}}, x + {{X}}, inside{{Y}}, c);
  // #end
  y++;
  pixel += params.in_w;
  // #end
  let end = min(first + params.rows, params.out_h);
  var at = ((image * params.out_h + first) * params.out_w + ox) * params.channels4 + c;
  for (var oy = first; oy < end; oy++) {
    // #repeat Y {{STRIDE}}
    let inside{{Y}} = (y >= 0) & (y < params.in_h);
    // #repeat X {{3*STRIDE+KERNEL}}
    let v{{KERNEL-STRIDE+Y}}_{{X}} = load_at(pixel + {{X}}, x + {{X}}, inside{{Y}}, c);
    // #end
    y++;
    pixel += params.in_w;
    // #end
    // #repeat O 4
    var sum{{O}} = start_of(channel);
    // #end
    // #repeat Y {{KERNEL}}
    // #repeat X {{KERNEL}}
    // #repeat O 4
    sum{{O}} = fma(v{{Y}}_{{STRIDE*O+X}}, f{{Y}}_{{X}}, sum{{O}});
    // #end
    // #end
    // #end
    // #repeat O 4
    if (FIT_W || ox + {{O}}u < params.out_w) {
      out[at + {{O}}u * params.channels4] = finish(sum{{O}}, channel);
    }
    // #end
    at += params.out_w * params.channels4;
    // #repeat Y {{KERNEL-STRIDE}}
    // #repeat X {{3*STRIDE+KERNEL}}
    v{{Y}}_{{X}} = v{{Y+STRIDE}}_{{X}};
    // #end
    // #end
  }
}
