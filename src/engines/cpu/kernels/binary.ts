/** Binary ops with broadcasting: float32 in its own loops, 8-bit and int16 on the shared integer parameters, everything else as numpy does it. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount, isFloat } from "../../../graph/dtype.ts";
import type { DType, TypedArray } from "../../../graph/dtype.ts";
import type { BinaryFn, Tensor } from "../../../graph/ir.ts";
import { isInt16 } from "../../../graph/int16.ts";
import { addParams, perTensor, quantizedClamp, requantize } from "../../../graph/numerics.ts";
import { broadcastSteps, innerSize, innerStep, planWalk, runStarts } from "./broadcast.ts";
import { activate, clampInteger, finishValue, floatFinish, requantizeNarrow } from "./finish.ts";
import { isByte, isQuantized, shortName, unsupported } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";

/** out[i] = f(a[as + i*da], b[bs + i*db]) for each run. */
interface Runs {
  readonly length: number;
  readonly a: Int32Array;
  readonly b: Int32Array;
  readonly stepA: number;
  readonly stepB: number;
}

export function createBinary(context: KernelContext<"Binary">): CpuKernel {
  const { graph, node } = context;
  const a = requireInput(graph, node, 0);
  const b = requireInput(graph, node, 1);
  const out = outputTensor(graph, node);
  const runs = planRuns(a, b, out);
  const { fn } = node.attrs;
  if (isQuantized(out)) return quantizedBinary(context, runs, a, b, out);
  if (a.dtype === "float32" && b.dtype === "float32" && out.dtype === "float32") {
    const finish = floatFinish(node.attrs.activation);
    const loop = FLOAT_LOOPS[fn];
    return {
      name: `f32_binary_${fn}__cpu`,
      weightBytes: 0,
      packedInputs: [],
      run: (inputs, output) =>
        loop(inputs[0] as Float32Array, inputs[1] as Float32Array, runs, output as Float32Array, finish.lo, finish.hi, finish.hardswish),
    };
  }
  const apply = plainFunction(fn, out.dtype);
  return {
    name: "any_binary_general__cpu",
    weightBytes: 0,
    packedInputs: [],
    run(inputs, output) {
      eachPair(inputs[0]!, inputs[1]!, runs, (x, y, at) => {
        output[at] = activate(apply(x, y), node.attrs.activation);
      });
    },
  };
}

function planRuns(a: Tensor, b: Tensor, out: Tensor): Runs {
  if (elementCount(out.shape) === 0) return { length: 0, a: new Int32Array(0), b: new Int32Array(0), stepA: 0, stepB: 0 };
  const walk = planWalk(out.shape, [broadcastSteps(a.shape, out.shape), broadcastSteps(b.shape, out.shape)]);
  return { length: innerSize(walk), a: runStarts(walk, 0), b: runStarts(walk, 1), stepA: innerStep(walk, 0), stepB: innerStep(walk, 1) };
}

type FloatLoop = (a: Float32Array, b: Float32Array, runs: Runs, out: Float32Array, lo: number, hi: number, hardswish: boolean) => void;

/** One function a kind, so that each loop stays specialised. */
const FLOAT_LOOPS: Readonly<Record<BinaryFn, FloatLoop>> = {
  add(a, b, runs, out, lo, hi, hardswish) {
    const { length, stepA, stepB } = runs;
    for (let r = 0, o = 0; r < runs.a.length; r++) {
      for (let i = 0, p = runs.a[r]!, q = runs.b[r]!; i < length; i++, p += stepA, q += stepB)
        out[o++] = finishValue(a[p]! + b[q]!, lo, hi, hardswish);
    }
  },
  sub(a, b, runs, out, lo, hi, hardswish) {
    const { length, stepA, stepB } = runs;
    for (let r = 0, o = 0; r < runs.a.length; r++) {
      for (let i = 0, p = runs.a[r]!, q = runs.b[r]!; i < length; i++, p += stepA, q += stepB)
        out[o++] = finishValue(a[p]! - b[q]!, lo, hi, hardswish);
    }
  },
  mul(a, b, runs, out, lo, hi, hardswish) {
    const { length, stepA, stepB } = runs;
    for (let r = 0, o = 0; r < runs.a.length; r++) {
      for (let i = 0, p = runs.a[r]!, q = runs.b[r]!; i < length; i++, p += stepA, q += stepB)
        out[o++] = finishValue(a[p]! * b[q]!, lo, hi, hardswish);
    }
  },
  div(a, b, runs, out, lo, hi, hardswish) {
    const { length, stepA, stepB } = runs;
    for (let r = 0, o = 0; r < runs.a.length; r++) {
      for (let i = 0, p = runs.a[r]!, q = runs.b[r]!; i < length; i++, p += stepA, q += stepB)
        out[o++] = finishValue(a[p]! / b[q]!, lo, hi, hardswish);
    }
  },
  pow(a, b, runs, out, lo, hi, hardswish) {
    const { length, stepA, stepB } = runs;
    for (let r = 0, o = 0; r < runs.a.length; r++) {
      for (let i = 0, p = runs.a[r]!, q = runs.b[r]!; i < length; i++, p += stepA, q += stepB)
        out[o++] = finishValue(a[p]! ** b[q]!, lo, hi, hardswish);
    }
  },
  min(a, b, runs, out, lo, hi, hardswish) {
    const { length, stepA, stepB } = runs;
    for (let r = 0, o = 0; r < runs.a.length; r++) {
      for (let i = 0, p = runs.a[r]!, q = runs.b[r]!; i < length; i++, p += stepA, q += stepB)
        out[o++] = finishValue(Math.min(a[p]!, b[q]!), lo, hi, hardswish);
    }
  },
  max(a, b, runs, out, lo, hi, hardswish) {
    const { length, stepA, stepB } = runs;
    for (let r = 0, o = 0; r < runs.a.length; r++) {
      for (let i = 0, p = runs.a[r]!, q = runs.b[r]!; i < length; i++, p += stepA, q += stepB)
        out[o++] = finishValue(Math.max(a[p]!, b[q]!), lo, hi, hardswish);
    }
  },
};

function eachPair(a: TypedArray, b: TypedArray, runs: Runs, visit: (x: number, y: number, at: number) => void): void {
  for (let r = 0, o = 0; r < runs.a.length; r++) {
    for (let i = 0, p = runs.a[r]!, q = runs.b[r]!; i < runs.length; i++, p += runs.stepA, q += runs.stepB) visit(a[p]!, b[q]!, o++);
  }
}

/** Numpy's arithmetic of a type: integer division truncates (by zero gives 0), int32 products wrap, typed arrays wrap the rest. */
function plainFunction(fn: BinaryFn, dtype: DType): (x: number, y: number) => number {
  const float = isFloat(dtype);
  switch (fn) {
    case "add":
      return dtype === "bool" ? (x, y) => (x || y ? 1 : 0) : (x, y) => x + y;
    case "sub":
      return (x, y) => x - y;
    case "mul":
      return dtype === "int32" || dtype === "uint32" ? Math.imul : (x, y) => x * y;
    case "div":
      return float ? (x, y) => x / y : (x, y) => (y === 0 ? 0 : Math.trunc(x / y));
    case "pow":
      return float ? (x, y) => x ** y : (x, y) => Math.trunc(x ** y);
    case "min":
      return Math.min;
    case "max":
      return Math.max;
  }
}

function quantizedBinary(context: KernelContext<"Binary">, runs: Runs, a: Tensor, b: Tensor, out: Tensor): CpuKernel {
  const { node } = context;
  const { fn, activation } = node.attrs;
  const isWide = isInt16(a) && isInt16(b) && isInt16(out);
  if (!isWide && (!isByte(out.dtype) || !isByte(a.dtype) || !isByte(b.dtype) || !isQuantized(a) || !isQuantized(b))) {
    throw unsupported(
      node,
      `${fn} of ${a.dtype} and ${b.dtype} to quantized ${out.dtype}, expected 8-bit tensors with scales, or int16 with zero point 0`,
    );
  }
  if (activation?.kind === "hardswish") throw unsupported(node, "hardswish fused into an integer op", "Leave it as a separate Unary node.");
  const [lo, hi] = quantizedClamp(activation, out.quant!, out.dtype);
  const base = { name: `${isWide ? "i16" : shortName(out.dtype)}_binary_${fn}__cpu`, weightBytes: 0, packedInputs: [] };
  if (fn === "mul") {
    const params = mulParams(a, b, out);
    return {
      ...base,
      run: isWide
        ? (inputs, output) =>
            eachPair(inputs[0]!, inputs[1]!, runs, (x, y, at) => {
              output[at] = requantize(x * y, params.scale, 0, lo, hi);
            })
        : (inputs, output) => mulBytes(inputs[0] as Int8Array, inputs[1] as Int8Array, runs, output as Int8Array, params, lo, hi),
    };
  }
  if (fn !== "add" && fn !== "sub") throw unsupported(node, `${fn} on quantized tensors, expected add, sub or mul`);
  const params = addParams(a.quant, b.quant, out.quant!, fn === "add" ? 1 : -1);
  if (params === undefined) {
    throw unsupported(
      node,
      `input scales ${String(a.quant.scales[0])} and ${String(b.quant.scales[0])} against output scale ${String(out.quant!.scales[0])}, expected a ratio in [2^-10, 2^8)`,
    );
  }
  return {
    ...base,
    run: isWide
      ? (inputs, output) =>
          eachPair(inputs[0]!, inputs[1]!, runs, (x, y, at) => {
            output[at] = Math.min(Math.max(Math.floor((params.bias + x * params.multA + y * params.multB) / 2 ** params.shift), lo), hi);
          })
      : (inputs, output) => addBytes(inputs[0] as Int8Array, inputs[1] as Int8Array, runs, output as Int8Array, params, lo, hi),
  };
}

/** out = requantize((a - zeroA) × (b - zeroB), scale) */
interface MulParams {
  readonly zeroA: number;
  readonly zeroB: number;
  readonly scale: number;
  readonly zeroPoint: number;
}

function mulParams(a: Tensor, b: Tensor, out: Tensor): MulParams {
  const qa = perTensor(a.quant);
  const qb = perTensor(b.quant);
  const { scale, zeroPoint } = perTensor(out.quant);
  return { zeroA: qa.zeroPoint, zeroB: qb.zeroPoint, scale: Math.fround(Math.fround(qa.scale * qb.scale) / scale), zeroPoint };
}

function mulBytes(
  a: Int8Array | Uint8Array,
  b: Int8Array | Uint8Array,
  runs: Runs,
  out: Int8Array | Uint8Array,
  params: MulParams,
  lo: number,
  hi: number,
): void {
  const { zeroA, zeroB, scale, zeroPoint } = params;
  const { length, stepA, stepB } = runs;
  // Products of bytes have 16 bits, so that far larger scales than NARROW_SCALE keep the result inside int32.
  const narrow = scale <= 2 ** 13;
  for (let r = 0, o = 0; r < runs.a.length; r++) {
    let p = runs.a[r]!;
    let q = runs.b[r]!;
    if (narrow) {
      for (let i = 0; i < length; i++, p += stepA, q += stepB) {
        out[o++] = requantizeNarrow(Math.imul(a[p]! - zeroA, b[q]! - zeroB), scale, zeroPoint, lo, hi);
      }
    } else {
      for (let i = 0; i < length; i++, p += stepA, q += stepB) {
        out[o++] = requantize(Math.imul(a[p]! - zeroA, b[q]! - zeroB), scale, zeroPoint, lo, hi);
      }
    }
  }
}

function addBytes(
  a: Int8Array | Uint8Array,
  b: Int8Array | Uint8Array,
  runs: Runs,
  out: Int8Array | Uint8Array,
  params: { readonly multA: number; readonly multB: number; readonly bias: number; readonly shift: number; readonly zeroPoint: number },
  lo: number,
  hi: number,
): void {
  const { multA, multB, bias, shift, zeroPoint } = params;
  const { length, stepA, stepB } = runs;
  for (let r = 0, o = 0; r < runs.a.length; r++) {
    for (let i = 0, p = runs.a[r]!, q = runs.b[r]!; i < length; i++, p += stepA, q += stepB) {
      const v = ((bias + Math.imul(a[p]!, multA) + Math.imul(b[q]!, multB)) >> shift) + zeroPoint;
      out[o++] = clampInteger(v, lo, hi);
    }
  }
}
