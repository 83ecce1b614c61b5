// An entry of a list is four consecutive input positions, which are one word as they lie (so weights may also be zero in blocks of 8×8 and
// 16×16): an entry that is left costs what it costs in the dense kernel.
// #include entry/i8_words.wgsl
@group(0) @binding(6) var<storage, read> positions: array<u32>;

fn input_of(row: Row, position: u32) -> u32 {
  return gather(row, position);
}
