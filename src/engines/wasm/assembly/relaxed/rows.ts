/** Inputs of the relaxed dot product: bytes in unsigned form, bordered. */

/**
 * As any_pad_rows, every copied byte xor `flip` (0x80 turns int8 into uint8, both 128 higher); `fill` is the border, in unsigned form. May
 * write up to 15 bytes beyond the image.
 */
export function i8_unsign_rows__wasm_relaxed(x: usize, c: usize, geometry: usize, fill: i32, flip: i32): void {
  const height = load<i32>(geometry, 4);
  const row: usize = load<i32>(geometry, 8);
  const left: usize = load<i32>(geometry, 20);
  const right: usize = load<i32>(geometry, 24);
  const stride = left + row + right;
  const top: usize = stride * load<i32>(geometry, 12);
  const bottom: usize = stride * load<i32>(geometry, 16);
  const value: u8 = <u8>fill;
  const bits = i8x16.splat(<i8>flip);
  for (let image = load<i32>(geometry); image > 0; image--) {
    memory.fill(c, value, top);
    c += top;
    for (let y = 0; y < height; y++) {
      memory.fill(c, value, left);
      const end = x + row;
      for (let to = c + left; x < end; x += 16) {
        v128.store(to, v128.xor(v128.load(x), bits));
        to += 16;
      }
      x = end;
      memory.fill(c + left + row, value, right);
      c += stride;
    }
    memory.fill(c, value, bottom);
    c += bottom;
  }
}
