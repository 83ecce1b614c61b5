// Integer softmax: exponentials of the distance to the maximum from a table of uint32, one rounded integer division an output.
struct Params {
  count: u32,   // threads
  length: u32,  // classes
  inner: u32,   // words between neighbours along the axis (columns), or words of a row (rows)
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read> exponentials: array<u32>;

fn probability(distance: i32, sum: u32) -> i32 {
  return i32(min(255u, (exponentials[distance] * 256u + sum / 2u) / sum)) - 128;
}
