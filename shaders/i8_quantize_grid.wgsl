// Floats of an NHWC image onto the grid that was found for it, in a copy with a border of zero points. Pixels start words; one word a thread.
// #include common/flat.wgsl
// #include common/bytes.wgsl
// #include common/dynamic_grid.wgsl
struct Params {
  count: u32,
  words: u32,   // of a pixel
  length: u32,  // channels
  in_h: i32,
  in_w: i32,
  out_h: u32,
  out_w: u32,
  pad_top: i32,
  pad_left: i32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> grid: Grid;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let pixel = i / params.words;
  let line = pixel / params.out_w;
  let y = i32(line % params.out_h) - params.pad_top;
  let column = i32(pixel % params.out_w) - params.pad_left;
  var bytes = vec4<i32>(grid.zero);
  if (y >= 0 && y < params.in_h && column >= 0 && column < params.in_w) {
    let image = i32(line / params.out_h);
    let channel = (i % params.words) * 4u;
    let at = u32((image * params.in_h + y) * params.in_w + column) * params.length + channel;
    for (var lane = 0u; lane < min(4u, params.length - channel); lane++) {
      let r = clamp(round(x[at + lane] * grid.inverse), -65536.0, 65536.0);
      bytes[lane] = clamp(i32(r) + grid.zero, -128, 127);
    }
  }
  out[i] = pack(bytes);
}
