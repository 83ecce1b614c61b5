// The int8 grid of a tensor whose range was found at run time, as `dynamicGrid` of src/graph/numerics.ts derives it.
struct Grid {
  scale: f32,
  inverse: f32,
  zero: i32,
  // Always 0, which no compiler knows: what passes through it cannot be fused with what follows.
  barrier: u32,
};
