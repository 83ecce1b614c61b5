/** Cast, Quantize, Dequantize and Requantize. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { isFloat } from "../../../graph/dtype.ts";
import type { DType, TypedArray } from "../../../graph/dtype.ts";
import type { Quantization, Tensor } from "../../../graph/ir.ts";
import { isInt16 } from "../../../graph/int16.ts";
import { integerRange, inverseScale, quantizeValue, roundHalfEven, unaryTable } from "../../../graph/numerics.ts";
import { regridder } from "./regrid.ts";
import { isByte, isQuantized, shortName, unsupported } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";
import { mapTable } from "./unary.ts";

/**
 * Float to integer truncates toward zero and saturates (NaN gives 0), where C leaves it undefined; integer to narrower integer wraps;
 * to bool is x ≠ 0.
 */
export function createCast(context: KernelContext<"Cast">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const out = outputTensor(graph, node);
  const convert = castFunction(x.dtype, out.dtype);
  return {
    name: "any_cast__cpu",
    weightBytes: 0,
    packedInputs: [],
    run(inputs, output) {
      const input = inputs[0]!;
      if (convert === undefined) output.set(input);
      else for (let i = 0; i < input.length; i++) output[i] = convert(input[i]!);
    },
  };
}

function castFunction(from: DType, to: DType): ((x: number) => number) | undefined {
  if (to === "bool") return (x) => (x !== 0 ? 1 : 0);
  if (!isFloat(from) || isFloat(to)) return undefined;
  const [lo, hi] = to === "int64" ? [-(2 ** 63), 2 ** 63] : to === "uint32" ? [0, 2 ** 32 - 1] : integerRange(to);
  return (x) => (Number.isNaN(x) ? 0 : x < lo ? lo : x > hi ? hi : Math.trunc(x));
}

/** Index of the scale of each element: constant per tensor, else its position on the axis. */
function channelOf(quant: Quantization, shape: readonly number[]): (i: number) => number {
  if (quant.scales.length === 1) return () => 0;
  let inner = 1;
  for (let d = (quant.axis ?? 0) + 1; d < shape.length; d++) inner *= shape[d]!;
  const n = quant.scales.length;
  return (i) => Math.floor(i / inner) % n;
}

export function createQuantize(context: KernelContext<"Quantize">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const out = outputTensor(graph, node);
  const { quant } = requireQuantized(context, out);
  const [lo, hi] = integerRange(out.dtype);
  const inverses = quant.scales.map(inverseScale);
  const base = { name: `${shortName(x.dtype)}_quantize__cpu`, weightBytes: 0, packedInputs: [] };
  if (quant.scales.length === 1 && x.dtype === "float32") {
    const inverse = inverses[0]!;
    const zeroPoint = quant.zeroPoints[0]!;
    return { ...base, run: (inputs, output) => quantizeAll(inputs[0] as Float32Array, output, inverse, zeroPoint, lo, hi) };
  }
  const channel = channelOf(quant, x.shape);
  return {
    ...base,
    run(inputs, output) {
      const input = inputs[0]!;
      for (let i = 0; i < input.length; i++) {
        const c = channel(i);
        output[i] = quantizeValue(input[i]!, inverses[c]!, quant.zeroPoints[c]!, lo, hi);
      }
    },
  };
}

function quantizeAll(x: Float32Array, out: TypedArray, inverse: number, zeroPoint: number, lo: number, hi: number): void {
  for (let i = 0; i < x.length; i++) out[i] = quantizeValue(x[i]!, inverse, zeroPoint, lo, hi);
}

export function createDequantize(context: KernelContext<"Dequantize">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const { quant } = requireQuantized(context, x);
  const base = { name: `${shortName(x.dtype)}_dequantize__cpu`, weightBytes: 0, packedInputs: [] };
  if (quant.scales.length === 1) {
    const scale = quant.scales[0]!;
    const zeroPoint = quant.zeroPoints[0]!;
    return { ...base, run: (inputs, output) => dequantizeAll(inputs[0]!, output, scale, zeroPoint) };
  }
  const channel = channelOf(quant, x.shape);
  return {
    ...base,
    run(inputs, output) {
      const input = inputs[0]!;
      for (let i = 0; i < input.length; i++) {
        const c = channel(i);
        output[i] = (input[i]! - quant.zeroPoints[c]!) * quant.scales[c]!;
      }
    },
  };
}

function dequantizeAll(x: TypedArray, out: TypedArray, scale: number, zeroPoint: number): void {
  for (let i = 0; i < x.length; i++) out[i] = (x[i]! - zeroPoint) * scale;
}

export function createRequantize(context: KernelContext<"Requantize">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const out = outputTensor(graph, node);
  const from = requireQuantized(context, x).quant;
  const to = requireQuantized(context, out).quant;
  if (isByte(x.dtype) && isByte(out.dtype) && from.scales.length === 1 && to.scales.length === 1) {
    const table = unaryTable(undefined, from, x.dtype, to, out.dtype);
    return {
      name: `${shortName(x.dtype)}_requantize_table__cpu`,
      weightBytes: table.byteLength,
      packedInputs: [],
      run: (inputs, output) => mapTable(inputs[0] as Int8Array, table, output as Int8Array),
    };
  }
  const regrid = isInt16(x) || isInt16(out) ? regridder(x, out) : undefined;
  if (regrid !== undefined) {
    return {
      name: "i16_requantize__cpu",
      weightBytes: 0,
      packedInputs: [],
      run(inputs, output) {
        const input = inputs[0]!;
        for (let i = 0; i < input.length; i++) output[i] = regrid.element(input[i]!);
      },
    };
  }
  const [lo, hi] = integerRange(out.dtype);
  const channelIn = channelOf(from, x.shape);
  const channelOut = channelOf(to, out.shape);
  return {
    name: "any_requantize__cpu",
    weightBytes: 0,
    packedInputs: [],
    run(inputs, output) {
      const input = inputs[0]!;
      for (let i = 0; i < input.length; i++) {
        const a = channelIn(i);
        const b = channelOut(i);
        const q = roundHalfEven(((input[i]! - from.zeroPoints[a]!) * from.scales[a]!) / to.scales[b]!) + to.zeroPoints[b]!;
        output[i] = q < lo ? lo : q > hi ? hi : q;
      }
    },
  };
}

function requireQuantized(
  context: KernelContext<"Quantize" | "Dequantize" | "Requantize">,
  tensor: Tensor,
): Tensor & { readonly quant: Quantization } {
  if (!isQuantized(tensor)) throw unsupported(context.node, `tensor "${tensor.name}" of type ${tensor.dtype} has no quantization`);
  return tensor;
}
