/**
 * What this WebAssembly engine can do at most: loops over registers, no memory; without SIMD, over scalars. Kernels are quoted as a share of it. Twelve sums hide
 * the latency of a multiply and an add (3 to 4 cycles each, two a cycle) and leave registers for the operands; V8 has 15 to give on x64.
 * The module is assembled here, since it must exist only where the features that it tests do.
 */
import { invariant } from "../../errors.ts";
import type { Loop } from "../peak.ts";
import { webAssembly } from "./api.ts";
import type { Feature } from "./features.ts";

const ITERATIONS = 20_000;
const SUMS = 12;

/** What a register holds. */
interface Register {
  readonly type: number;
  /** From a 0 on the stack to X. */
  readonly one: readonly number[];
  /** From a whole number. */
  readonly fromI32: readonly number[];
  readonly toI32: readonly number[];
}

/** One step of a sum. */
interface Step {
  readonly type: Loop["type"];
  readonly name: string;
  /** Operations of one step. */
  readonly operations: number;
  readonly requires?: Feature;
  readonly register: Register;
  /** From the sum on the stack to the new sum. `X` and `Y` are registers whose values change nothing. */
  readonly code: readonly number[];
}

const [N, X, Y, FIRST_SUM] = [0, 1, 2, 3];
const OP = {
  loop: 0x03,
  end: 0x0b,
  brIf: 0x0d,
  get: 0x20,
  set: 0x21,
  tee: 0x22,
  i32Const: 0x41,
  i32Sub: 0x6b,
  i32Add: 0x6a,
  i32ShrS: 0x75,
  f32Add: 0x92,
  f32Mul: 0x94,
  f64Add: 0xa0,
  f64Mul: 0xa2,
  i32Wrap: 0xa7,
  f32FromI32: 0xb2,
  f64FromI32: 0xb7,
  i32BitsOfF32: 0xbc,
  i64BitsOfF64: 0xbd,
  f32OfBits: 0xbe,
  simd: 0xfd,
} as const;
const EMPTY = 0x40;
const I32 = 0x7f;
const F32 = 0x7d;
const F64 = 0x7c;
const V128 = 0x7b;

const simd = (code: number): readonly number[] => [OP.simd, ...leb(code)];
const get = (local: number): readonly number[] => [OP.get, local];
const SIMD = {
  i32x4Splat: simd(0x11),
  f32x4Splat: simd(0x13),
  i32x4Extract: [...simd(0x1b), 0],
  i32x4Add: simd(0xae),
  i32x4Dot: simd(0xba),
  f32x4Add: simd(0xe4),
  f32x4Mul: simd(0xe6),
  relaxedMadd: simd(0x105),
  relaxedDotAdd: simd(0x113),
} as const;

/** X is made of a 0 that the compiler does not know: 1.0, or 0 in integers. */
const ONE_BITS = [OP.i32Const, ...leb(0x3f800000, true), OP.i32Add];
const FLOATS: Register = {
  type: V128,
  one: [...ONE_BITS, ...SIMD.i32x4Splat],
  fromI32: [OP.f32FromI32, ...SIMD.f32x4Splat],
  toI32: SIMD.i32x4Extract,
};
const INTEGERS: Register = { type: V128, one: SIMD.i32x4Splat, fromI32: SIMD.i32x4Splat, toI32: SIMD.i32x4Extract };
const SINGLE: Register = { type: F32, one: [...ONE_BITS, OP.f32OfBits], fromI32: [OP.f32FromI32], toI32: [OP.i32BitsOfF32] };
const DOUBLE: Register = {
  type: F64,
  one: [OP.i32Const, 1, OP.i32Add, OP.f64FromI32],
  fromI32: [OP.f64FromI32],
  toI32: [OP.i64BitsOfF64, OP.i32Wrap],
};

const SCALAR_STEPS: readonly Step[] = [
  {
    type: "float32",
    name: "f32 multiply and add",
    operations: 2,
    register: SINGLE,
    code: [...get(X), OP.f32Mul, ...get(Y), OP.f32Add],
  },
  {
    type: "int8",
    name: "f64 multiply and add, two products in each",
    operations: 4,
    register: DOUBLE,
    code: [...get(X), OP.f64Mul, ...get(Y), OP.f64Add],
  },
];

const STEPS: readonly Step[] = [
  {
    type: "float32",
    name: "f32x4 multiply and add",
    operations: 8,
    register: FLOATS,
    code: [...get(X), ...SIMD.f32x4Mul, ...get(Y), ...SIMD.f32x4Add],
  },
  {
    type: "float32",
    name: "f32x4 fused multiply-add",
    operations: 8,
    register: FLOATS,
    requires: "relaxed-madd",
    code: [...get(X), ...get(Y), ...SIMD.relaxedMadd],
  },
  {
    type: "int8",
    name: "i16x8 dot product and add",
    operations: 16,
    register: INTEGERS,
    code: [...get(X), ...SIMD.i32x4Dot, ...get(Y), ...SIMD.i32x4Add],
  },
  {
    type: "int8",
    name: "i8x16 dot product with sum",
    operations: 32,
    register: INTEGERS,
    requires: "relaxed-dot",
    // The sum is the last operand: it goes through a local on its way there.
    code: [OP.set, FIRST_SUM + SUMS, ...get(X), ...get(Y), ...get(FIRST_SUM + SUMS), ...SIMD.relaxedDotAdd],
  },
];

/** @param threads kernels share the work of one loop: the peak of one thread counts so many times */
export async function wasmPeaks(simd: boolean, features: ReadonlySet<Feature>, threads: number): Promise<readonly Loop[]> {
  const usable = (simd ? STEPS : SCALAR_STEPS).filter(({ requires }) => requires === undefined || features.has(requires));
  return Promise.all(usable.map((step) => peakOf(step, threads)));
}

async function peakOf(step: Step, threads: number): Promise<Loop> {
  invariant(webAssembly !== undefined, "a probe asked for where there is no WebAssembly");
  const module = await webAssembly.compile(moduleOf(step));
  const { run } = new webAssembly.Instance(module).exports;
  invariant(typeof run === "function", "the probe exports no function");
  const loop = run as (n: number) => number;
  const { type, name, operations } = step;
  return { type, name, operations: operations * SUMS * ITERATIONS * threads, run: () => loop(ITERATIONS) };
}

/** `(module (func (export "run") (param $n i32) (result i32) (local …) …))` */
function moduleOf(step: Step): Uint8Array {
  const sums = Array.from({ length: SUMS }, (_, i) => FIRST_SUM + i);
  const { type, one, fromI32, toI32 } = step.register;
  // N is positive, so its sign is 0.
  const sign = [OP.get, N, OP.i32Const, 31, OP.i32ShrS];
  const code = [
    ...[...sign, ...one, OP.set, X],
    ...[...sign, ...fromI32, OP.set, Y],
    // Small whole numbers: denormal floats would be slow on some processors.
    ...sums.flatMap((local, i) => [OP.i32Const, i + 1, ...fromI32, OP.set, local]),
    ...[OP.loop, EMPTY],
    ...sums.flatMap((local) => [...get(local), ...step.code, OP.set, local]),
    ...[OP.get, N, OP.i32Const, 1, OP.i32Sub, OP.tee, N, OP.brIf, 0],
    OP.end,
    ...sums.flatMap((local, i) => [...get(local), ...toI32, ...(i === 0 ? [] : [OP.i32Add])]),
    OP.end,
  ];
  // Locals after the parameter: X, Y, the sums and one for a sum on its way.
  const body = [1, ...leb(SUMS + 3), type, ...code];
  return Uint8Array.of(
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 1, I32, 1, I32]),
    ...section(3, [1, 0]),
    ...section(7, [1, 3, ...new TextEncoder().encode("run"), 0, 0]),
    ...section(10, [1, ...leb(body.length), ...body]),
  );
}

function section(id: number, content: readonly number[]): readonly number[] {
  return [id, ...leb(content.length), ...content];
}

/** LEB128. @param signed so that bit 6 of the last byte is the sign */
function leb(value: number, signed = false): readonly number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = rest & 0x7f;
    rest >>>= 7;
    if (rest === 0 && !(signed && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}
