// The range of up to a few thousand values (a tensor's own, or the bounds of its shares) as the int8 grid of a layer. One workgroup.
// #include common/dynamic_grid.wgsl
struct Params {
  count: u32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: Grid;
@group(0) @binding(2) var<storage, read> x: array<f32>;

var<workgroup> ranges: array<vec2<f32>, 64>;

const SMALLEST_RANGE = 0x1p-100;

// a / b of positive normal numbers, rounded half to even: WGSL's own division may be off by 2.5 units in the last place.
fn quotient(a: f32, b: f32) -> f32 {
  let x_bits = bitcast<u32>(a);
  let y_bits = bitcast<u32>(b);
  let divisor = (y_bits & 0x7fffffu) | 0x800000u;
  var rest = (x_bits & 0x7fffffu) | 0x800000u;
  var exponent = (x_bits >> 23u) + 127u - (y_bits >> 23u);
  if (rest < divisor) {
    rest <<= 1u;
    exponent -= 1u;
  }
  // 24 bits and one to round by.
  var bits = 0u;
  for (var i = 0u; i < 25u; i++) {
    bits <<= 1u;
    if (rest >= divisor) {
      rest -= divisor;
      bits |= 1u;
    }
    rest <<= 1u;
  }
  let half = bits & 1u;
  bits >>= 1u;
  if (half == 1u && (rest != 0u || (bits & 1u) == 1u)) {
    bits += 1u;
  }
  // A carry out of the mantissa is a carry into the exponent.
  return bitcast<f32>((exponent << 23u) + (bits - 0x800000u));
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
  var own = vec2<f32>(0.0);
  for (var i = local; i < params.count; i += 64u) {
    let v = x[i];
    own = vec2<f32>(min(own.x, v), max(own.y, v));
  }
  ranges[local] = own;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) {
      let other = ranges[local + half];
      ranges[local] = vec2<f32>(min(ranges[local].x, other.x), max(ranges[local].y, other.y));
    }
  }
  if (local == 0u) {
    let low = ranges[0].x;
    let range = ranges[0].y - low;
    var scale = 1.0;
    var inverse = 1.0;
    var zero = -128;
    if (range >= SMALLEST_RANGE) {
      scale = quotient(range, 255.0);
      inverse = quotient(1.0, scale);
      zero = clamp(i32(round(-low * inverse)) - 128, -128, 127);
    }
    out = Grid(scale, inverse, zero, 0u);
  }
}
