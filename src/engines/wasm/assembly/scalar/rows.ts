/** Bordered copies of images; `geometry` as any_pad_rows in ../layout.ts: [images, height, row, top, bottom, left, right], bytes of the source. */

/** Copies bytes. */
export function any_pad_rows__wasm_scalar(x: usize, c: usize, geometry: usize, fill: i32): void {
  i8_unsign_rows__wasm_scalar(x, c, geometry, fill, 0);
}

/** Every copied byte xor `flip`: 0x80 turns int8 into uint8, both 128 higher. `fill` is the border, as it shall be read. */
export function i8_unsign_rows__wasm_scalar(x: usize, c: usize, geometry: usize, fill: i32, flip: i32): void {
  const height = load<i32>(geometry, 4);
  const row: usize = load<i32>(geometry, 8);
  const left: usize = load<i32>(geometry, 20);
  const right: usize = load<i32>(geometry, 24);
  const stride = left + row + right;
  const top: usize = stride * load<i32>(geometry, 12);
  const bottom: usize = stride * load<i32>(geometry, 16);
  const value: u8 = <u8>fill;
  const bits: u64 = <u64>(<u8>flip) * 0x0101010101010101;
  for (let image = load<i32>(geometry); image > 0; image--) {
    memory.fill(c, value, top);
    c += top;
    for (let y = 0; y < height; y++) {
      memory.fill(c, value, left);
      if (flip == 0) memory.copy(c + left, x, row);
      else for (let i: usize = 0; i < row; i += 8) store<u64>(c + left + i, load<u64>(x + i) ^ bits);
      memory.fill(c + left + row, value, right);
      x += row;
      c += stride;
    }
    memory.fill(c, value, bottom);
    c += bottom;
  }
}

/** 8-bit rows to double precision, the zero point taken off, so the border is 0. */
export function f64_widen_rows__wasm_scalar(x: usize, c: usize, geometry: usize, zeroPoint: i32, isSigned: i32): void {
  const height = load<i32>(geometry, 4);
  const row: usize = load<i32>(geometry, 8);
  const left: usize = load<i32>(geometry, 20);
  const right: usize = load<i32>(geometry, 24);
  const stride = 8 * (left + row + right);
  const top: usize = stride * load<i32>(geometry, 12);
  const bottom: usize = stride * load<i32>(geometry, 16);
  for (let image = load<i32>(geometry); image > 0; image--) {
    memory.fill(c, 0, top);
    c += top;
    for (let y = 0; y < height; y++) {
      memory.fill(c, 0, 8 * left);
      const to = c + 8 * left;
      if (isSigned) for (let i: usize = 0; i < row; i++) store<f64>(to + i * 8, <f64>(<i32>load<i8>(x + i) - zeroPoint));
      else for (let i: usize = 0; i < row; i++) store<f64>(to + i * 8, <f64>(<i32>load<u8>(x + i) - zeroPoint));
      memory.fill(c + 8 * (left + row), 0, 8 * right);
      x += row;
      c += stride;
    }
    memory.fill(c, 0, bottom);
    c += bottom;
  }
}
