// Smallest and largest value of every share of a tensor, 0 among them: workgroup g takes blocks g, g + groups, … of 64 values.
struct Params {
  count: u32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> x: array<f32>;

var<workgroup> ranges: array<vec2<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  var range = vec2<f32>(0.0);
  for (var i = wid.x * 64u + local; i < params.count; i += nwg.x * 64u) {
    let v = x[i];
    range = vec2<f32>(min(range.x, v), max(range.y, v));
  }
  ranges[local] = range;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) {
      let other = ranges[local + half];
      ranges[local] = vec2<f32>(min(ranges[local].x, other.x), max(ranges[local].y, other.y));
    }
  }
  if (local == 0u) {
    out[wid.x] = ranges[0];
  }
}
