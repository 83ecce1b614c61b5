/**
 * Tells what an instruction computes by its results: one expectation for each known behaviour, and what survives all rounds is the answer.
 * An answer can only get worse: code that the compiler replaces by other code later is caught by a later round.
 */

/** Applies an instruction with three operands to the vectors at `a`, `b`, `c`, `count` times 16 bytes; results go to `to`. */
export type LaneFunction = (a: number, b: number, c: number, to: number, count: number) => void;

/** Two instructions over one memory: a compiled module, or a test's imitation. */
export interface Lanes {
  readonly buffer: ArrayBufferLike;
  /** i32x4.relaxed_dot_i8x16_i7x16_add_s */
  readonly dot: LaneFunction;
  /** f32x4.relaxed_madd */
  readonly madd: LaneFunction;
}

const VECTORS = 256;
/** Four regions of VECTORS × 16 bytes: three operands and the results. */
const REGION_BYTES = VECTORS * 16;
const [A, B, C, TO] = [0, 1, 2, 3].map((region) => region * REGION_BYTES) as [number, number, number, number];

/** Operands, and what each behaviour makes of them, as bits. */
export interface Expectations<T extends string> {
  readonly operands: readonly [ArrayBufferView, ArrayBufferView, ArrayBufferView];
  readonly results: ReadonlyMap<T, Int32Array>;
}

export class LaneProbe<T extends string> {
  readonly #bytes: Uint8Array;
  readonly #found: Int32Array;
  readonly #run: LaneFunction;
  readonly #operands: readonly Uint8Array[];
  readonly #possible: Map<T, Int32Array>;

  constructor(buffer: ArrayBufferLike, run: LaneFunction, { operands, results }: Expectations<T>) {
    this.#bytes = new Uint8Array(buffer, 0, TO + REGION_BYTES);
    this.#found = new Int32Array(buffer, TO, REGION_BYTES / 4);
    this.#run = run;
    this.#operands = operands.map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    this.#possible = new Map(results);
  }

  /** Runs the instruction over all vectors, `rounds` times, and drops every behaviour that a result contradicts. */
  check(rounds: number): void {
    this.#operands.forEach((bytes, i) => this.#bytes.set(bytes, i * REGION_BYTES));
    for (let i = 0; i < rounds && this.#possible.size > 0; i++) {
      this.#found.fill(0);
      this.#run(A, B, C, TO, VECTORS);
      for (const [behaviour, expected] of this.#possible) if (!equal(this.#found, expected)) this.#possible.delete(behaviour);
    }
  }

  /** The first behaviour that nothing contradicts. */
  get behaviour(): T | "none" {
    for (const behaviour of this.#possible.keys()) return behaviour;
    return "none";
  }
}

function equal(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export type DotBehaviour = "exact" | "signed" | "saturating";

/** Bytes at the ends of their ranges: quads of them reach every limit that an implementation may saturate at. */
const EXTREMES = { a: [-128, -127, -1, 0, 127], b: [255, 128, 127, 1, 0] } as const;

/**
 * `exact`: signed × unsigned in 32 bits. `signed`: both operands signed. `saturating`: pairs of products are kept in 16 bits. All three
 * agree where the second operand is below 128; what fails there is none of them.
 */
export function dotExpectations(): Expectations<DotBehaviour> {
  const random = generator(0x5eed);
  const a = new Int8Array(REGION_BYTES);
  const b = new Uint8Array(REGION_BYTES);
  const c = Int32Array.from({ length: REGION_BYTES / 4 }, () => random() | 0);
  for (let v = 0; v < VECTORS; v++) {
    const extreme = v < EXTREMES.a.length * EXTREMES.b.length;
    for (let i = v * 16; i < (v + 1) * 16; i++) {
      a[i] = extreme ? EXTREMES.a[v % EXTREMES.a.length]! : random() >> 8;
      b[i] = extreme ? EXTREMES.b[Math.floor(v / EXTREMES.a.length)]! : random() >> 8;
    }
  }
  const signed = new Int8Array(b.buffer);
  const exact = (right: Int8Array | Uint8Array): Int32Array =>
    c.map((sum, lane) => [0, 1, 2, 3].reduce((s, j) => (s + a[lane * 4 + j]! * right[lane * 4 + j]!) | 0, sum));
  const pair = (i: number): number => Math.max(-32768, Math.min(32767, a[i]! * b[i]! + a[i + 1]! * b[i + 1]!));
  const saturating = c.map((sum, lane) => (sum + pair(lane * 4) + pair(lane * 4 + 2)) | 0);
  return {
    operands: [a, b, c],
    results: new Map([
      ["exact", exact(b)],
      ["signed", exact(signed)],
      ["saturating", saturating],
    ]),
  };
}

export type MaddBehaviour = "fused" | "separate";

/** `fused`: a × b + c rounded once. `separate`: the product is rounded too. */
export function maddExpectations(): Expectations<MaddBehaviour> {
  const random = generator(0xadd);
  // 14 significant bits each: sums are exact in double precision, products are not in single precision.
  const factor = (): number => ((random() >>> 18) + 8193) / 8192;
  const lanes = REGION_BYTES / 4;
  const a = Float32Array.from({ length: lanes }, factor);
  const b = Float32Array.from({ length: lanes }, factor);
  // Sums that cancel most of the product show its last bits.
  const c = Float32Array.from({ length: lanes }, (_, i) => (i % 2 === 0 ? -a[i]! * b[i]! : factor()));
  const bits = (values: (i: number) => number): Int32Array =>
    new Int32Array(Float32Array.from({ length: lanes }, (_, i) => values(i)).buffer);
  return {
    operands: [a, b, c],
    results: new Map([
      ["fused", bits((i) => a[i]! * b[i]! + c[i]!)],
      ["separate", bits((i) => Math.fround(a[i]! * b[i]!) + c[i]!)],
    ]),
  };
}

/** Numerical Recipes' linear congruential generator: 32 bits a call, the upper ones good. */
function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
}
