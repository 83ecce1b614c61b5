/**
 * Element-wise kernels. Binary ones take a broadcast plan: the shape collapsed by the host to 4 dimensions, each operand with an element
 * stride per dimension (0 where it repeats); the innermost stride is 0 or 1. `plan` (i32): dims 0..12, strides of a 16..28, of b 32..44.
 */
import { activate4, clampBytes16, hardswish4, lowBytes8, roundToGrid4, scale4, storeBytes, storeFloats } from "./common";
import { exp4, log4, sigmoid4, tanh4 } from "./math";

// Numbers shared with BINARY and UNARY in src/engines/wasm/codes.ts.
const ADD: i32 = 0;
const SUB: i32 = 1;
const MUL: i32 = 2;
const DIV: i32 = 3;
const MIN: i32 = 4;
const MAX: i32 = 5;

// @ts-ignore: decorator
@inline
function combine(a: v128, b: v128, fn: i32): v128 {
  if (fn == ADD) return f32x4.add(a, b);
  if (fn == SUB) return f32x4.sub(a, b);
  if (fn == MUL) return f32x4.mul(a, b);
  if (fn == DIV) return f32x4.div(a, b);
  return fn == MIN ? f32x4.min(a, b) : f32x4.max(a, b);
}

// @ts-ignore: decorator
@inline
function binaryRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, n: usize, fn: i32, act: usize, post: usize): void {
  let i = n;
  if (aStep && bStep) {
    for (; i >= 4; i -= 4) {
      v128.store(c, activate4(combine(v128.load(a), v128.load(b), fn), act, post));
      a += 16;
      b += 16;
      c += 16;
    }
    if (i > 0) storeFloats(c, activate4(combine(v128.load(a), v128.load(b), fn), act, post), i);
  } else if (aStep) {
    const y = v128.load32_splat(b);
    for (; i >= 4; i -= 4) {
      v128.store(c, activate4(combine(v128.load(a), y, fn), act, post));
      a += 16;
      c += 16;
    }
    if (i > 0) storeFloats(c, activate4(combine(v128.load(a), y, fn), act, post), i);
  } else {
    const x = v128.load32_splat(a);
    for (; i >= 4; i -= 4) {
      v128.store(c, activate4(combine(x, bStep ? v128.load(b) : v128.load32_splat(b), fn), act, post));
      b += bStep * 16;
      c += 16;
    }
    if (i > 0) storeFloats(c, activate4(combine(x, bStep ? v128.load(b) : v128.load32_splat(b), fn), act, post), i);
  }
}

function addRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, n: usize, act: usize, post: usize): void {
  binaryRow(a, aStep, b, bStep, c, n, ADD, act, post);
}
function subRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, n: usize, act: usize, post: usize): void {
  binaryRow(a, aStep, b, bStep, c, n, SUB, act, post);
}
function mulRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, n: usize, act: usize, post: usize): void {
  binaryRow(a, aStep, b, bStep, c, n, MUL, act, post);
}
function divRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, n: usize, act: usize, post: usize): void {
  binaryRow(a, aStep, b, bStep, c, n, DIV, act, post);
}
function minRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, n: usize, act: usize, post: usize): void {
  binaryRow(a, aStep, b, bStep, c, n, MIN, act, post);
}
function maxRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, n: usize, act: usize, post: usize): void {
  binaryRow(a, aStep, b, bStep, c, n, MAX, act, post);
}

export function f32_binary_broadcast_1x4__wasm_simd(a: usize, b: usize, c: usize, plan: usize, fn: i32, act: usize, post: usize): void {
  const n: usize = load<u32>(plan, 12);
  const aStep: usize = load<u32>(plan, 28);
  const bStep: usize = load<u32>(plan, 44);
  for (let i: u32 = 0; i < load<u32>(plan); i++) {
    for (let j: u32 = 0; j < load<u32>(plan, 4); j++) {
      let p = a + 4 * (i * load<u32>(plan, 16) + j * load<u32>(plan, 20));
      let q = b + 4 * (i * load<u32>(plan, 32) + j * load<u32>(plan, 36));
      for (let k: u32 = 0; k < load<u32>(plan, 8); k++) {
        if (fn == ADD) addRow(p, aStep, q, bStep, c, n, act, post);
        else if (fn == SUB) subRow(p, aStep, q, bStep, c, n, act, post);
        else if (fn == MUL) mulRow(p, aStep, q, bStep, c, n, act, post);
        else if (fn == DIV) divRow(p, aStep, q, bStep, c, n, act, post);
        else if (fn == MIN) minRow(p, aStep, q, bStep, c, n, act, post);
        else maxRow(p, aStep, q, bStep, c, n, act, post);
        p += 4 * load<u32>(plan, 24);
        q += 4 * load<u32>(plan, 40);
        c += 4 * n;
      }
    }
  }
}

/** Eight bytes or one repeated, as int16; `flip` 0x80 turns uint8 into int8. */
// @ts-ignore: decorator
@inline
function bytes8(p: usize, step: usize, flip: v128): v128 {
  return i16x8.extend_low_i8x16_s(v128.xor(step ? v128.load64_zero(p) : v128.load8_splat(p), flip));
}

/**
 * Both records end like that of pack16: [lo x16] at 64, [hi x16] at 80, bytes that turn int8 into uint8 at 96. Sum and difference:
 * multipliers of a and b at 0 and 16, bias at 32, zero point as int16 at 48, shift at 112. Product: magic at 48, zero points of a and b
 * as int16 at 112 and 128, scale at 144.
 */
// @ts-ignore: decorator
@inline
function sum4(a: v128, b: v128, shift: i32, post: usize): v128 {
  const scaled = i32x4.add(i32x4.mul(a, v128.load(post)), i32x4.mul(b, v128.load(post, 16)));
  return i32x4.shr_s(i32x4.add(scaled, v128.load(post, 32)), shift);
}

// @ts-ignore: decorator
@inline
function integerRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, n: usize, flips: usize, isSum: bool, post: usize): void {
  const flip = i8x16.splat(<i8>flips);
  const shift = isSum ? load<i32>(post, 112) : 0;
  for (let i: usize = 0; i < n; i += 8) {
    let x = bytes8(a, aStep, flip);
    let y = bytes8(b, bStep, flip);
    let half: v128;
    if (isSum) {
      const lo = sum4(i32x4.extend_low_i16x8_s(x), i32x4.extend_low_i16x8_s(y), shift, post);
      const hi = sum4(i32x4.extend_high_i16x8_s(x), i32x4.extend_high_i16x8_s(y), shift, post);
      // Saturating at 16 and then at 8 bits equals clamping once, since the zero point is small.
      half = i16x8.add_sat_s(i16x8.narrow_i32x4_s(lo, hi), v128.load(post, 48));
    } else {
      x = i16x8.sub(x, v128.load(post, 112));
      y = i16x8.sub(y, v128.load(post, 128));
      const scale = v128.load(post, 144);
      half = i16x8.narrow_i32x4_s(
        scale4(i32x4.extmul_low_i16x8_s(x, y), scale, post),
        scale4(i32x4.extmul_high_i16x8_s(x, y), scale, post),
      );
    }
    const bytes = clampBytes16(i8x16.narrow_i16x8_s(half, half), post);
    if (n - i >= 8) v128.store64_lane(c + i, bytes, 0);
    else storeBytes(c + i, i64x2.extract_lane(bytes, 0), n - i);
    a += 8 * aStep;
    b += 8 * bStep;
  }
}

function integerSumRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, n: usize, flip: usize, post: usize): void {
  integerRow(a, aStep, b, bStep, c, n, flip, true, post);
}
function integerProductRow(a: usize, aStep: usize, b: usize, bStep: usize, c: usize, n: usize, flip: usize, post: usize): void {
  integerRow(a, aStep, b, bStep, c, n, flip, false, post);
}

/** 8-bit add and subtract (fn 0) or multiply (fn 2); zero points in `post` are those of signed bytes when `flip` is 0x80. */
export function i8_binary_broadcast_1x8__wasm_simd(a: usize, b: usize, c: usize, plan: usize, fn: i32, flip: usize, post: usize): void {
  const n: usize = load<u32>(plan, 12);
  const aStep: usize = load<u32>(plan, 28);
  const bStep: usize = load<u32>(plan, 44);
  for (let i: u32 = 0; i < load<u32>(plan); i++) {
    for (let j: u32 = 0; j < load<u32>(plan, 4); j++) {
      let p = a + i * load<u32>(plan, 16) + j * load<u32>(plan, 20);
      let q = b + i * load<u32>(plan, 32) + j * load<u32>(plan, 36);
      for (let k: u32 = 0; k < load<u32>(plan, 8); k++) {
        if (fn == ADD) integerSumRow(p, aStep, q, bStep, c, n, flip, post);
        else integerProductRow(p, aStep, q, bStep, c, n, flip, post);
        p += load<u32>(plan, 24);
        q += load<u32>(plan, 40);
        c += n;
      }
    }
  }
}

const CLAMP: i32 = 0;
const HARDSWISH: i32 = 1;
const HARDSIGMOID: i32 = 2;
const LEAKYRELU: i32 = 3;
const SIGMOID: i32 = 4;
const TANH: i32 = 5;
const EXP: i32 = 6;
const LOG: i32 = 7;
const SQRT: i32 = 8;
const ABS: i32 = 9;
const NEG: i32 = 10;
const RECIPROCAL: i32 = 11;
const FLOOR: i32 = 12;
const CEIL: i32 = 13;

/** `post`: two splatted parameters: lo and hi (clamp), slope and offset (hardsigmoid), slope (leakyrelu). */
// @ts-ignore: decorator
@inline
function unary4(x: v128, fn: i32, post: usize): v128 {
  if (fn == CLAMP) return f32x4.pmin(f32x4.pmax(x, v128.load(post)), v128.load(post, 16));
  if (fn == HARDSWISH) return hardswish4(x);
  if (fn == HARDSIGMOID) {
    return f32x4.pmin(f32x4.pmax(f32x4.add(f32x4.mul(x, v128.load(post)), v128.load(post, 16)), f32x4.splat(0)), f32x4.splat(1));
  }
  if (fn == LEAKYRELU) return v128.bitselect(x, f32x4.mul(x, v128.load(post)), f32x4.ge(x, f32x4.splat(0)));
  if (fn == SIGMOID) return sigmoid4(x);
  if (fn == TANH) return tanh4(x);
  if (fn == EXP) return exp4(x);
  if (fn == LOG) return log4(x);
  if (fn == SQRT) return f32x4.sqrt(x);
  if (fn == ABS) return f32x4.abs(x);
  if (fn == NEG) return f32x4.neg(x);
  if (fn == RECIPROCAL) return f32x4.div(f32x4.splat(1), x);
  return fn == FLOOR ? f32x4.floor(x) : f32x4.ceil(x);
}

// @ts-ignore: decorator
@inline
function unaryRow(x: usize, c: usize, n: usize, fn: i32, post: usize): void {
  for (; n >= 4; n -= 4) {
    v128.store(c, unary4(v128.load(x), fn, post));
    x += 16;
    c += 16;
  }
  if (n > 0) storeFloats(c, unary4(v128.load(x), fn, post), n);
}

export function f32_unary_map_1x4__wasm_simd(x: usize, c: usize, n: usize, fn: i32, post: usize): void {
  if (fn == CLAMP) unaryRow(x, c, n, CLAMP, post);
  else if (fn == HARDSWISH) unaryRow(x, c, n, HARDSWISH, post);
  else if (fn == HARDSIGMOID) unaryRow(x, c, n, HARDSIGMOID, post);
  else if (fn == LEAKYRELU) unaryRow(x, c, n, LEAKYRELU, post);
  else if (fn == SIGMOID) unaryRow(x, c, n, SIGMOID, post);
  else if (fn == TANH) unaryRow(x, c, n, TANH, post);
  else if (fn == EXP) unaryRow(x, c, n, EXP, post);
  else if (fn == LOG) unaryRow(x, c, n, LOG, post);
  else if (fn == SQRT) unaryRow(x, c, n, SQRT, post);
  else if (fn == ABS) unaryRow(x, c, n, ABS, post);
  else if (fn == NEG) unaryRow(x, c, n, NEG, post);
  else if (fn == RECIPROCAL) unaryRow(x, c, n, RECIPROCAL, post);
  else if (fn == FLOOR) unaryRow(x, c, n, FLOOR, post);
  else unaryRow(x, c, n, CEIL, post);
}

/** Every unary 8-bit op: byte → byte through 256 entries. */
export function i8_table_map_1x8__wasm_simd(x: usize, c: usize, n: usize, table: usize): void {
  // Byte by byte: 16 swizzles over 16 bytes take 1.4 times as long, packing words in registers 1.7 times.
  for (; n >= 8; n -= 8) {
    store<u8>(c, load<u8>(table + load<u8>(x)));
    store<u8>(c, load<u8>(table + load<u8>(x, 1)), 1);
    store<u8>(c, load<u8>(table + load<u8>(x, 2)), 2);
    store<u8>(c, load<u8>(table + load<u8>(x, 3)), 3);
    store<u8>(c, load<u8>(table + load<u8>(x, 4)), 4);
    store<u8>(c, load<u8>(table + load<u8>(x, 5)), 5);
    store<u8>(c, load<u8>(table + load<u8>(x, 6)), 6);
    store<u8>(c, load<u8>(table + load<u8>(x, 7)), 7);
    x += 8;
    c += 8;
  }
  for (; n > 0; n--) store<u8>(c++, load<u8>(table + load<u8>(x++)));
}

/** float → 8 bits: × the float32 reciprocal of the scale at `inverse`, then the grid of `post`. */
export function f32_quantize_map_1x8__wasm_simd(x: usize, c: usize, n: usize, inverse: usize, post: usize): void {
  const scale = v128.load32_splat(inverse);
  const low = i16x8.splat(0xff);
  let i: usize = 0;
  for (; i + 16 <= n; i += 16) {
    const q0 = roundToGrid4(f32x4.mul(v128.load(x), scale), post);
    const q1 = roundToGrid4(f32x4.mul(v128.load(x, 16), scale), post);
    const q2 = roundToGrid4(f32x4.mul(v128.load(x, 32), scale), post);
    const q3 = roundToGrid4(f32x4.mul(v128.load(x, 48), scale), post);
    // All are within -128 … 255, so that the low byte of each is what either type stores.
    const h0 = v128.and(i16x8.narrow_i32x4_s(q0, q1), low);
    const h1 = v128.and(i16x8.narrow_i32x4_s(q2, q3), low);
    v128.store(c + i, i8x16.narrow_i16x8_u(h0, h1));
    x += 64;
  }
  for (; i < n; i += 8) {
    const lo = roundToGrid4(f32x4.mul(v128.load(x), scale), post);
    const hi = roundToGrid4(f32x4.mul(v128.load(x, 16), scale), post);
    storeBytes(c + i, lowBytes8(lo, hi), n - i);
    x += 32;
  }
}

/** Four bytes widened to int32, as signed after xor with `flip`. */
// @ts-ignore: decorator
@inline
function bytes4(p: usize, flip: v128): v128 {
  return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.xor(v128.load32_zero(p), flip)));
}

/** 8 bits → float: (q - zeroPoint) × the float32 scale at `scale`; zero point of signed bytes when `flip` is 0x80. */
export function f32_dequantize_map_1x4__wasm_simd(x: usize, c: usize, n: usize, scale: usize, zeroPoint: i32, flip: i32): void {
  const s = v128.load32_splat(scale);
  const zero = i32x4.splat(zeroPoint);
  const bits = i8x16.splat(<i8>flip);
  for (; n >= 4; n -= 4) {
    v128.store(c, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(bytes4(x, bits), zero)), s));
    x += 4;
    c += 16;
  }
  if (n > 0) storeFloats(c, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(bytes4(x, bits), zero)), s), n);
}
