/**
 * Decision trees. A node is 16 bytes: [byte offset of the feature in a sample][threshold][left][right], children as byte offsets from `nodes`;
 * a leaf is its own child, its feature is the first one, and in place of a threshold it has the byte offset of its row of `values`. So a
 * walk needs no test for leaves: it ends when it stays where it is. A step is a chain of two loads and a select; four walks side by side
 * (of four trees, or of four samples) hide it.
 *
 * `roots` [trees] byte offsets; `factor` points at what the sums are multiplied by. Outputs are summed in the order of trees.
 */

// @ts-ignore: decorator
@inline
function next(nodes: usize, at: usize, x: usize): usize {
  const node = nodes + at;
  const left = load<f32>(x + <usize>load<u32>(node)) <= load<f32>(node, 4);
  return select<usize>(<usize>load<u32>(node, 8), <usize>load<u32>(node, 12), left);
}

/** As `next`, where nodes say in the lowest bit of their feature that NaN goes left. */
// @ts-ignore: decorator
@inline
function nextNan(nodes: usize, at: usize, x: usize): usize {
  const node = nodes + at;
  const feature = load<u32>(node);
  const value = load<f32>(x + <usize>(feature & ~3));
  const left = <u32>(value <= load<f32>(node, 4)) | (<u32>(value != value) & feature);
  return select<usize>(<usize>load<u32>(node, 8), <usize>load<u32>(node, 12), left & 1);
}

// @ts-ignore: decorator
@inline
function step(nodes: usize, at: usize, x: usize, nan: bool): usize {
  return nan ? nextNan(nodes, at, x) : next(nodes, at, x);
}

// @ts-ignore: decorator
@inline
function add(c: usize, row: usize, outputs: usize): void {
  const whole = outputs & ~3;
  for (let i: usize = 0; i < whole; i += 4) v128.store(c + i * 4, f32x4.add(v128.load(c + i * 4), v128.load(row + i * 4)));
  for (let i = whole; i < outputs; i++) store<f32>(c + i * 4, load<f32>(c + i * 4) + load<f32>(row + i * 4));
}

// @ts-ignore: decorator
@inline
function rowOf(nodes: usize, at: usize, values: usize): usize {
  return values + <usize>load<u32>(nodes + at, 4);
}

// @ts-ignore: decorator
@inline
function scale(c: usize, count: usize, factor: usize): void {
  const by = load<f32>(factor);
  if (by == 1) return;
  for (let i: usize = 0; i < count; i++) store<f32>(c + i * 4, load<f32>(c + i * 4) * by);
}

// @ts-ignore: decorator
@inline
function single(nodes: usize, root: usize, x: usize, nan: bool): usize {
  let at = root;
  let to = step(nodes, at, x, nan);
  while (to != at) {
    at = to;
    to = step(nodes, at, x, nan);
  }
  return at;
}

// @ts-ignore: decorator
@inline
function byTrees(x: usize, c: usize, samples: usize, stride: usize, nodes: usize, roots: usize, trees: usize, values: usize, outputs: usize, factor: usize, nan: bool): void {
  for (; samples > 0; samples--) {
    memory.fill(c, 0, outputs * 4);
    let t: usize = 0;
    for (; t + 4 <= trees; t += 4) {
      let a0 = <usize>load<u32>(roots + t * 4);
      let a1 = <usize>load<u32>(roots + t * 4, 4);
      let a2 = <usize>load<u32>(roots + t * 4, 8);
      let a3 = <usize>load<u32>(roots + t * 4, 12);
      for (;;) {
        const b0 = step(nodes, a0, x, nan);
        const b1 = step(nodes, a1, x, nan);
        const b2 = step(nodes, a2, x, nan);
        const b3 = step(nodes, a3, x, nan);
        const moved = (a0 ^ b0) | (a1 ^ b1) | (a2 ^ b2) | (a3 ^ b3);
        a0 = b0;
        a1 = b1;
        a2 = b2;
        a3 = b3;
        if (moved == 0) break;
      }
      add(c, rowOf(nodes, a0, values), outputs);
      add(c, rowOf(nodes, a1, values), outputs);
      add(c, rowOf(nodes, a2, values), outputs);
      add(c, rowOf(nodes, a3, values), outputs);
    }
    for (; t < trees; t++) add(c, rowOf(nodes, single(nodes, <usize>load<u32>(roots + t * 4), x, nan), values), outputs);
    scale(c, outputs, factor);
    x += stride;
    c += outputs * 4;
  }
}

// @ts-ignore: decorator
@inline
function bySamples(x: usize, c: usize, samples: usize, stride: usize, nodes: usize, roots: usize, trees: usize, values: usize, outputs: usize, factor: usize, nan: bool): void {
  const row = outputs * 4;
  memory.fill(c, 0, samples * row);
  let i: usize = 0;
  for (; i + 4 <= samples; i += 4) {
    for (let t: usize = 0; t < trees; t++) {
      const root = <usize>load<u32>(roots + t * 4);
      let a0 = root;
      let a1 = root;
      let a2 = root;
      let a3 = root;
      for (;;) {
        const b0 = step(nodes, a0, x, nan);
        const b1 = step(nodes, a1, x + stride, nan);
        const b2 = step(nodes, a2, x + stride * 2, nan);
        const b3 = step(nodes, a3, x + stride * 3, nan);
        const moved = (a0 ^ b0) | (a1 ^ b1) | (a2 ^ b2) | (a3 ^ b3);
        a0 = b0;
        a1 = b1;
        a2 = b2;
        a3 = b3;
        if (moved == 0) break;
      }
      add(c, rowOf(nodes, a0, values), outputs);
      add(c + row, rowOf(nodes, a1, values), outputs);
      add(c + row * 2, rowOf(nodes, a2, values), outputs);
      add(c + row * 3, rowOf(nodes, a3, values), outputs);
    }
    scale(c, outputs * 4, factor);
    x += stride * 4;
    c += row * 4;
  }
  for (; i < samples; i++) {
    for (let t: usize = 0; t < trees; t++) add(c, rowOf(nodes, single(nodes, <usize>load<u32>(roots + t * 4), x, nan), values), outputs);
    scale(c, outputs, factor);
    x += stride;
    c += row;
  }
}

/** @param stride bytes of a sample @param flags 1: nodes say where NaN goes */
export function f32_trees_walk_1x4__wasm_simd(x: usize, c: usize, samples: usize, stride: usize, nodes: usize, roots: usize, trees: usize, values: usize, outputs: usize, factor: usize, flags: usize): void {
  if (flags & 1) byTrees(x, c, samples, stride, nodes, roots, trees, values, outputs, factor, true);
  else byTrees(x, c, samples, stride, nodes, roots, trees, values, outputs, factor, false);
}

/** As f32_trees_walk_1x4, but four samples at a time go down one tree. */
export function f32_trees_walk_4x1__wasm_simd(x: usize, c: usize, samples: usize, stride: usize, nodes: usize, roots: usize, trees: usize, values: usize, outputs: usize, factor: usize, flags: usize): void {
  if (flags & 1) bySamples(x, c, samples, stride, nodes, roots, trees, values, outputs, factor, true);
  else bySamples(x, c, samples, stride, nodes, roots, trees, values, outputs, factor, false);
}
