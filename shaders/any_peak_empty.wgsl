// Nothing: what a dispatch itself costs.
@compute @workgroup_size(1)
fn main() {}
