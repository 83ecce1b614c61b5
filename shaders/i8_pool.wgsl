// Max and average pooling of bytes, one word (four channels) a thread. An average is Σq - count × zero point, requantized by the scale
// of its count (a table, since WGSL's division is not exact); a maximum passes through a table where the grids differ.
// #param FN = max | avg
// #include common/flat.wgsl
// #include common/pool_params.wgsl
// #include common/bytes.wgsl
// #include common/requantize.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;

fn start_max() -> vec4<i32> {
  return vec4<i32>(-128);
}

fn start_avg() -> vec4<i32> {
  return vec4<i32>(0);
}

fn step_max(acc: vec4<i32>, v: vec4<i32>) -> vec4<i32> {
  return max(acc, v);
}

fn step_avg(acc: vec4<i32>, v: vec4<i32>) -> vec4<i32> {
  return acc + v;
}

fn end_max(acc: vec4<i32>, inside: u32, divisor: u32) -> vec4<i32> {
  var v = acc;
  if (params.use_table != 0u) {
    for (var lane = 0u; lane < 4u; lane++) {
      let entry = u32(v[lane]) & 255u;
      v[lane] = byte_of(table[entry / 4u], entry % 4u);
    }
  }
  return clamp(v, vec4<i32>(params.out_lo), vec4<i32>(params.out_hi));
}

// The table holds float32 bits, by divisor.
fn end_avg(acc: vec4<i32>, inside: u32, divisor: u32) -> vec4<i32> {
  let scale = vec4<f32>(bitcast<f32>(table[divisor]));
  return requantize(acc - vec4<i32>(i32(inside) * params.in_zero), scale, params.out_zero, params.out_lo, params.out_hi);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let c = i % params.channels;
  let window = window_of(i / params.channels);
  var acc = start_{{FN}}();
  var inside = 0u;
  var full = 0u;
  for (var ky = 0; ky < params.kernel_h; ky++) {
    let y = window.y + ky * params.dilation_y;
    for (var kx = 0; kx < params.kernel_w; kx++) {
      let column = window.x + kx * params.dilation_x;
      if (y < params.limit_y && column < params.limit_x) {
        full++;
        if (y >= 0 && y < params.in_h && column >= 0 && column < params.in_w) {
          inside++;
          acc = step_{{FN}}(acc, unpack(x[u32((window.image * params.in_h + y) * params.in_w + column) * params.channels + c]));
        }
      }
    }
  }
  out[i] = pack(end_{{FN}}(acc, inside, select(inside, full, params.include_pad != 0u)));
}
