/** Inputs of the relaxed dot product: bytes in unsigned form, bordered. */

/** `count` bytes and no more; memory.fill is a call out of the module, which costs as much as a short row. */
function fillRow(c: usize, count: usize, value: v128): void {
  if (count >= 16) {
    const last = count - 16;
    for (let i: usize = 0; i < last; i += 16) v128.store(c + i, value);
    v128.store(c + last, value);
  } else {
    for (let i: usize = 0; i < count; i++) v128.store8_lane(c + i, value, 0);
  }
}

/** c = x xor bits, `count` bytes and no more. */
function flipRow(x: usize, c: usize, count: usize, bits: v128): void {
  if (count >= 16) {
    const last = count - 16;
    for (let i: usize = 0; i < last; i += 16) v128.store(c + i, v128.xor(v128.load(x + i), bits));
    // The last 16 bytes, some of them for the second time.
    v128.store(c + last, v128.xor(v128.load(x + last), bits));
  } else {
    const flip: u8 = <u8>i8x16.extract_lane_u(bits, 0);
    for (let i: usize = 0; i < count; i++) store<u8>(c + i, load<u8>(x + i) ^ flip);
  }
}

/**
 * As any_pad_rows, every copied byte xor `flip` (0x80 turns int8 into uint8, both 128 higher); `fill` is the border, in unsigned form.
 */
export function i8_unsign_rows__wasm_relaxed(x: usize, c: usize, geometry: usize, fill: i32, flip: i32): void {
  const height = load<i32>(geometry, 4);
  const row: usize = load<i32>(geometry, 8);
  const left: usize = load<i32>(geometry, 20);
  const right: usize = load<i32>(geometry, 24);
  const stride = left + row + right;
  const top: usize = stride * load<i32>(geometry, 12);
  const bottom: usize = stride * load<i32>(geometry, 16);
  const value = i8x16.splat(<i8>fill);
  const bits = i8x16.splat(<i8>flip);
  // The right border of a row and the left one of the next lie side by side.
  const between = right + left;
  for (let image = load<i32>(geometry); image > 0; image--) {
    fillRow(c, top + left, value);
    c += top + left;
    for (let y = 1; y < height; y++) {
      flipRow(x, c, row, bits);
      if (between > 0) fillRow(c + row, between, value);
      x += row;
      c += stride;
    }
    flipRow(x, c, row, bits);
    fillRow(c + row, right + bottom, value);
    x += row;
    c += row + right + bottom;
  }
}
