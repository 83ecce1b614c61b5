// Four of k times four columns: lane j of `w` holds four consecutive k of column j.
fn dot_columns(a: u32, w: vec4<u32>) -> vec4<i32> {
  return vec4<i32>({{DOT4}}(a, w.x), {{DOT4}}(a, w.y), {{DOT4}}(a, w.z), {{DOT4}}(a, w.w));
}
