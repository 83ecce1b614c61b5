/** Modules that feature probes validate or run, assembled by hand. Those that are run import a memory, as `env.memory`. */

/** `(module (func (drop (i32x4.splat (i32.const 0)))))` */
export const SIMD_MODULE = Uint8Array.of(
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  4,
  1,
  96,
  0,
  0,
  3,
  2,
  1,
  0,
  10,
  9,
  1,
  7,
  0,
  65,
  0,
  253,
  17,
  26,
  11,
);

/**
 * Two functions of (a, b, c, to, count): `dot` and `madd`, a relaxed instruction on 16 bytes at a time.
 *
 *     loop $next
 *       (v128.store (local.get $to) (INSTRUCTION (v128.load (local.get $a)) (v128.load (local.get $b)) (v128.load (local.get $c))))
 *       (local.set $a (i32.add (local.get $a) (i32.const 16)))  ;; $b, $c and $to likewise
 *       (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1))))
 *     end
 */
export const RELAXED_MODULE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 9, 1, 96, 5, 127, 127, 127, 127, 127, 0],
  ...[2, 15, 1, 3, 101, 110, 118, 6, 109, 101, 109, 111, 114, 121, 2, 0, 1],
  ...[3, 3, 2, 0, 0, 7, 14, 2, 3, 100, 111, 116, 0, 0, 4, 109, 97, 100, 100, 0, 1, 10, 141, 1, 2],
  ...laneLoop(147, 2),
  ...laneLoop(133, 2),
);

/** @param opcode of the instruction, behind the prefix of vector instructions, as LEB128 */
function laneLoop(...opcode: readonly number[]): number[] {
  const load = (local: number): number[] => [32, local, 253, 0, 4, 0];
  const advance = (local: number): number[] => [32, local, 65, 16, 106, 33, local];
  const body = [
    ...[0, 3, 64, 32, 3, ...load(0), ...load(1), ...load(2), 253, ...opcode, 253, 11, 4, 0],
    ...[...advance(0), ...advance(1), ...advance(2), ...advance(3)],
    ...[32, 4, 65, 1, 107, 34, 4, 13, 0, 11, 11],
  ];
  return [body.length, ...body];
}

/** `nan`: the bits of x - x, x a float32. (i32.reinterpret_f32 (f32.sub (local.get 0) (local.get 0))) */
export const NAN_MODULE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 125, 1, 127],
  ...[2, 15, 1, 3, 101, 110, 118, 6, 109, 101, 109, 111, 114, 121, 2, 0, 1],
  ...[3, 2, 1, 0, 7, 7, 1, 3, 110, 97, 110, 0, 0, 10, 10, 1, 8, 0, 32, 0, 32, 0, 147, 188, 11],
);
