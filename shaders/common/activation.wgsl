// Fused float activation. kind: 0 none, 1 max(v, lo), 2 min(max(v, lo), hi), 3 hardswish.
fn activate(v: vec4<f32>, kind: u32, lo: f32, hi: f32) -> vec4<f32> {
  switch kind {
    case 1u: {
      return max(v, vec4<f32>(lo));
    }
    case 2u: {
      return min(max(v, vec4<f32>(lo)), vec4<f32>(hi));
    }
    case 3u: {
      return v * clamp(v * (1.0 / 6.0) + 0.5, vec4<f32>(0.0), vec4<f32>(1.0));
    }
    default: {
      return v;
    }
  }
}
