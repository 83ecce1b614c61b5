// Dot product of four signed bytes. `dot4I8Packed` is the built-in of the same meaning; this is its twin for devices without it.
fn dot4_unpack(a: u32, b: u32) -> i32 {
  let p = unpack(a) * unpack(b);
  return p.x + p.y + p.z + p.w;
}
