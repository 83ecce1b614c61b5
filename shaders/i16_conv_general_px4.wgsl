// Convolutions and dense layers of int16 inputs and int8 weights: four outputs of a group at PIXELS positions a thread. The sums of high and low bytes
// are kept apart and joined once. Weights [ky][kx][c of the group][block of four outputs], a byte an output; depthwise, an output has a channel of its own.
// #param PIXELS = 1 | 4
// #param CHANNELS = shared | own
// #include common/flat.wgsl
// #include common/general_conv.wgsl
// #include common/bytes.wgsl
// #include common/int16.wgsl
struct Columns {
  high: vec4<i32>,   // bias
  low: vec4<i32>,
  scale: vec4<f32>,
};
@group(0) @binding(1) var<storage, read_write> out: array<i32>;
@group(0) @binding(2) var<storage, read> x: array<i32>;
@group(0) @binding(3) var<storage, read> w: array<u32>;
@group(0) @binding(4) var<storage, read> columns: array<Columns>;

fn first_shared(group: u32, o: u32) -> u32 {
  return group * params.group_in;
}

fn first_own(group: u32, o: u32) -> u32 {
  return o;
}

fn load_shared(p: u32) -> vec4<i32> {
  return vec4<i32>(x[p]);
}

// What lies behind the last channel meets weights of zero.
fn load_own(p: u32) -> vec4<i32> {
  return vec4<i32>(x[p], x[p + 1u], x[p + 2u], x[p + 3u]);
}

fn store(pixel: u32, o: u32, lanes: u32, high: vec4<i32>, low: vec4<i32>, scale: vec4<f32>) {
  if (pixel >= params.pixels) {
    return;
  }
  for (var lane = 0u; lane < lanes; lane++) {
    out[pixel * params.out_c + o + lane] = to_grid(wide_to_f32(high[lane], low[lane]) * scale[lane], params.out_lo, params.out_hi);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let group_blocks = (params.group_out + 3u) / 4u;
  let blocks = params.out_c / params.group_out * group_blocks;
  let block = i % blocks;
  let group = block / group_blocks;
  let first = block % group_blocks * 4u;
  let o = group * params.group_out + first;
  let channel = first_{{CHANNELS}}(group, o);
  let pixel = i / blocks * {{PIXELS}}u;
  // #repeat P {{PIXELS}}
  let pixel{{P}} = min(pixel + {{P}}u, params.pixels - 1u);
  let x{{P}} = i32(pixel{{P}} % params.out_w);
  let y{{P}} = i32(pixel{{P}} / params.out_w % params.out_h);
  let image{{P}} = i32(pixel{{P}} / params.out_w / params.out_h) * params.in_h;
  var high{{P}} = columns[block].high;
  var low{{P}} = columns[block].low;
  // #end
  var at = block;
  for (var ky = 0; ky < params.kernel_h; ky++) {
    for (var kx = 0; kx < params.kernel_w; kx++) {
      // #repeat P {{PIXELS}}
      let row{{P}} = source(y{{P}}, ky, params.stride_y, params.pad_top, params.dilation_y, params.in_h);
      let column{{P}} = source(x{{P}}, kx, params.stride_x, params.pad_left, params.dilation_x, params.in_w);
      // Padding reads the first value, times 0.
      let inside{{P}} = select(0, 1, row{{P}} >= 0 && column{{P}} >= 0);
      let from{{P}} = u32(inside{{P}} * ((image{{P}} + row{{P}}) * params.in_w + column{{P}})) * params.in_row + channel;
      // #end
      for (var c = 0u; c < params.group_in; c++) {
        let q = unpack(w[at]);
        at += blocks;
        // #repeat P {{PIXELS}}
        let v{{P}} = load_{{CHANNELS}}(from{{P}} + c) * inside{{P}};
        high{{P}} += (v{{P}} >> vec4<u32>(8u)) * q;
        low{{P}} += (v{{P}} & vec4<i32>(255)) * q;
        // #end
      }
    }
  }
  let lanes = min(4u, params.group_out - first);
  // #repeat P {{PIXELS}}
  store(pixel + {{P}}u, o, lanes, high{{P}}, low{{P}}, columns[block].scale);
  // #end
}
