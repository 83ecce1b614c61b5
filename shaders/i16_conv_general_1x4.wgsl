// Convolutions and dense layers of int16 inputs and int8 weights: four outputs of a group a thread. The sums of high and low bytes are kept apart and
// joined once. Weights [block of four outputs][ky][kx][c of the group], a byte an output; depthwise, an output has a channel of its own.
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
  let column = block % group_blocks * 4u;
  let o = group * params.group_out + column;
  let pixel = i / blocks;
  let ox = i32(pixel % params.out_w);
  let oy = i32(pixel / params.out_w % params.out_h);
  let image = i32(pixel / params.out_w / params.out_h);
  var at = block * u32(params.kernel_h * params.kernel_w) * params.group_in;
  var high = columns[block].high;
  var low = columns[block].low;
  for (var ky = 0; ky < params.kernel_h; ky++) {
    let y = source(oy, ky, params.stride_y, params.pad_top, params.dilation_y, params.in_h);
    for (var kx = 0; kx < params.kernel_w; kx++) {
      let z = source(ox, kx, params.stride_x, params.pad_left, params.dilation_x, params.in_w);
      if (y >= 0 && z >= 0) {
        let start = u32((image * params.in_h + y) * params.in_w + z) * params.in_row + first_{{CHANNELS}}(group, o);
        for (var c = 0u; c < params.group_in; c++) {
          let v = load_{{CHANNELS}}(start + c);
          let q = unpack(w[at + c]);
          high += (v >> vec4<u32>(8u)) * q;
          low += (v & vec4<i32>(255)) * q;
        }
      }
      at += params.group_in;
    }
  }
  let scale = columns[block].scale;
  for (var lane = 0u; lane < min(4u, params.group_out - column); lane++) {
    out[pixel * params.out_c + o + lane] = to_grid(wide_to_f32(high[lane], low[lane]) * scale[lane], params.out_lo, params.out_hi);
  }
}
