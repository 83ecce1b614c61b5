// Two int32 operands (shapes, indices), broadcast in any way. Division truncates, by zero gives zero.
// #param FN = add | sub | mul | div | min | max
// #include common/flat.wgsl
// #include common/broadcast.wgsl
@group(0) @binding(1) var<storage, read_write> out: array<i32>;
@group(0) @binding(2) var<storage, read> a: array<i32>;
@group(0) @binding(3) var<storage, read> b: array<i32>;

fn binary_add(p: i32, q: i32) -> i32 {
  return p + q;
}

fn binary_sub(p: i32, q: i32) -> i32 {
  return p - q;
}

fn binary_mul(p: i32, q: i32) -> i32 {
  return p * q;
}

fn binary_div(p: i32, q: i32) -> i32 {
  return select(p / select(q, 1, q == 0), 0, q == 0);
}

fn binary_min(p: i32, q: i32) -> i32 {
  return min(p, q);
}

fn binary_max(p: i32, q: i32) -> i32 {
  return max(p, q);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = flat_index(wid, nwg, local);
  if (i >= params.count) {
    return;
  }
  let at = operands(i);
  out[i] = binary_{{FN}}(a[at.x], b[at.y]);
}
