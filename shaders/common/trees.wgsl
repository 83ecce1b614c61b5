// Decision trees. A node is four words: feature (highest bit: NaN goes left), threshold, left and right child; a leaf is its own child and
// has the number of its row of values in place of the threshold. Thresholds and samples are compared as integers that are ordered as the
// floats are, since a GPU may flush the smallest floats to zero and need not know NaN.
fn ordered(bits: u32) -> i32 {
  let i = bitcast<i32>(bits);
  return select(i, i ^ 0x7fffffff, i < 0);
}

// Row of values that the sample from x[start] ends in.
fn leaf_of(root: u32, start: u32, depth: u32) -> u32 {
  var at = root;
  for (var level = 0u; level < depth; level++) {
    let node = nodes[at];
    if (node.z == at) {
      break;
    }
    let bits = x[start + (node.x & 0x7fffffffu)];
    let is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    let left = select(ordered(bits) <= bitcast<i32>(node.y), (node.x >> 31u) == 1u, is_nan);
    at = select(node.w, node.z, left);
  }
  return nodes[at].y;
}
