// Patches of an image of bytes as the rows of a matrix, k = (kernel row, kernel column, channel), rows starting words: for one or two
// channels, where pixels that start words would make a convolution multiply padding. One output word a thread; padding gives the zero point.
// #include common/flat.wgsl
// #include common/bytes.wgsl
struct Params {
  count: u32,
  words: u32,      // words of a row
  k: u32,          // bytes of a row
  channels: u32,
  kernel_w: u32,
  in_h: i32,
  in_w: i32,
  pixel: u32,      // bytes between pixels
  out_h: u32,
  out_w: u32,
  stride_y: i32,
  stride_x: i32,
  pad_top: i32,
  pad_left: i32,
  dilation_y: i32,
  dilation_x: i32,
  zero: i32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let m = i / params.words;
  let line = m / params.out_w;
  let image = i32(line / params.out_h);
  let y0 = i32(line % params.out_h) * params.stride_y - params.pad_top;
  let x0 = i32(m % params.out_w) * params.stride_x - params.pad_left;
  var bytes = vec4<i32>(params.zero);
  for (var lane = 0u; lane < 4u; lane++) {
    let k = (i - m * params.words) * 4u + lane;
    let tap = k / params.channels;
    let y = y0 + i32(tap / params.kernel_w) * params.dilation_y;
    let column = x0 + i32(tap % params.kernel_w) * params.dilation_x;
    if (k < params.k && y >= 0 && y < params.in_h && column >= 0 && column < params.in_w) {
      let p = u32((image * params.in_h + y) * params.in_w + column) * params.pixel + k - tap * params.channels;
      bytes[lane] = byte_of(x[p / 4u], p % 4u);
    }
  }
  out[i] = pack(bytes);
}
