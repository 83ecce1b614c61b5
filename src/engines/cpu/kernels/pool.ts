/** MaxPool2D and AveragePool2D, channel-inner. Padding never wins a maximum and adds nothing to a sum. */
import { formatShape } from "../../../errors.ts";
import { outputTensor, requireInput } from "../../../graph/access.ts";
import type { TypedArray } from "../../../graph/dtype.ts";
import type { Pool2DAttrs, Tensor } from "../../../graph/ir.ts";
import { MOST_INT16_TERMS, isInt16 } from "../../../graph/int16.ts";
import { integerRange, perTensor, quantizedClamp, requantize } from "../../../graph/numerics.ts";
import { activate, finishValue, floatFinish, largerOf } from "./finish.ts";
import type { FloatFinish } from "./finish.ts";
import { regridder } from "./regrid.ts";
import { isByte, isQuantized, sameQuantization, shortName, unsupported } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";

interface PoolGeometry {
  readonly batch: number;
  readonly inH: number;
  readonly inW: number;
  readonly channels: number;
  readonly outH: number;
  readonly outW: number;
  readonly attrs: Pool2DAttrs;
}

/** Called once an output pixel: the inside window positions as offsets of their first channel. */
type PixelVisitor = (offsets: Int32Array, count: number, full: number, to: number) => void;

export function createPool(context: KernelContext<"MaxPool2D" | "AveragePool2D">): CpuKernel {
  const { graph, node, scratch } = context;
  const x = requireInput(graph, node, 0);
  const out = outputTensor(graph, node);
  const g: PoolGeometry = {
    batch: x.shape[0]!,
    inH: x.shape[1]!,
    inW: x.shape[2]!,
    channels: x.shape[3]!,
    outH: out.shape[1]!,
    outW: out.shape[2]!,
    attrs: node.attrs,
  };
  scratch.reserve(g.channels * 8);
  const max = node.op === "MaxPool2D";
  if (isQuantized(x) || isQuantized(out)) return quantizedPool(context, g, x, out, max);
  const finish = floatFinish(node.attrs.activation);
  const offsets = new Int32Array(g.attrs.kernel[0] * g.attrs.kernel[1]);
  const f32 = x.dtype === "float32";
  return {
    name: `${shortName(x.dtype)}_${max ? "maxpool" : "avgpool"}_rows__cpu`,
    weightBytes: 0,
    packedInputs: [],
    run(inputs, output) {
      const acc = scratch.doubles;
      const lowest =
        f32 || x.dtype === "float64"
          ? -Infinity
          : x.dtype === "int64"
            ? -(2 ** 53)
            : x.dtype === "bool" || x.dtype === "uint32"
              ? 0
              : integerRange(x.dtype)[0];
      eachPixel(g, offsets, (at, count, full, to) => {
        if (f32) windowF32(inputs[0] as Float32Array, at, count, g.channels, acc, max, lowest);
        else windowAny(inputs[0]!, at, count, g.channels, acc, max, lowest);
        const divisor = max ? 1 : g.attrs.countIncludePad ? full : count;
        if (f32) storeF32(acc, divisor, g.channels, output as Float32Array, to, finish);
        else for (let c = 0; c < g.channels; c++) output[to + c] = activate(acc[c]! / divisor, node.attrs.activation);
      });
    },
  };
}

function quantizedPool(
  context: KernelContext<"MaxPool2D" | "AveragePool2D">,
  g: PoolGeometry,
  x: Tensor,
  out: Tensor,
  max: boolean,
): CpuKernel {
  const { node, scratch } = context;
  const isWide = isInt16(x) && isInt16(out);
  if (!isQuantized(x) || !isQuantized(out) || (!isWide && (!isByte(x.dtype) || !isByte(out.dtype)))) {
    throw unsupported(node, `${x.dtype} to ${out.dtype}, expected both 8-bit with scales, or int16 with zero point 0`);
  }
  if (isWide && g.attrs.kernel[0] * g.attrs.kernel[1] > MOST_INT16_TERMS)
    throw unsupported(node, `window ${formatShape(g.attrs.kernel)} of int16 values, expected at most ${MOST_INT16_TERMS}`);
  if (node.attrs.activation?.kind === "hardswish")
    throw unsupported(node, "hardswish fused into an integer op", "Leave it as a separate Unary node.");
  const [lo, hi] = quantizedClamp(node.attrs.activation, out.quant, out.dtype);
  const from = perTensor(x.quant);
  const to = perTensor(out.quant);
  const ratio = Math.fround(from.scale / to.scale);
  const lowest = integerRange(x.dtype)[0];
  const regrid = x.dtype === out.dtype && sameQuantization(x.quant, out.quant) ? undefined : regridder(x, out);
  const offsets = new Int32Array(g.attrs.kernel[0] * g.attrs.kernel[1]);
  return {
    name: `${isWide ? "i16" : shortName(x.dtype)}_${max ? "maxpool" : "avgpool"}_rows__cpu`,
    weightBytes: 0,
    packedInputs: [],
    run(inputs, output) {
      const acc = scratch.ints;
      const input = inputs[0] as Int8Array | Uint8Array | Int16Array;
      eachPixel(g, offsets, (at, count, full, start) => {
        windowBytes(input, at, count, g.channels, acc, max, lowest);
        if (max) {
          for (let c = 0; c < g.channels; c++) {
            const q = regrid === undefined ? acc[c]! : regrid.element(acc[c]!);
            output[start + c] = q < lo ? lo : q > hi ? hi : q;
          }
        } else {
          const scale = Math.fround(ratio / (g.attrs.countIncludePad ? full : count));
          const shift = count * from.zeroPoint;
          for (let c = 0; c < g.channels; c++) output[start + c] = requantize(acc[c]! - shift, scale, to.zeroPoint, lo, hi);
        }
      });
    },
  };
}

/**
 * Visits the outputs in order. `full` counts the window positions inside the padded image: with explicit pads that is the whole window,
 * save where rounding the output size up lets a window hang over the padding.
 */
function eachPixel(g: PoolGeometry, offsets: Int32Array, visit: PixelVisitor): void {
  const { inH, inW, channels } = g;
  const { kernel, strides, dilations, pads } = g.attrs;
  let to = 0;
  for (let image = 0; image < g.batch; image++) {
    for (let row = 0; row < g.outH; row++) {
      const y0 = row * strides[0] - pads[0];
      for (let col = 0; col < g.outW; col++, to += channels) {
        const x0 = col * strides[1] - pads[1];
        let count = 0;
        let full = 0;
        for (let ky = 0; ky < kernel[0]; ky++) {
          const y = y0 + ky * dilations[0];
          if (y >= inH + pads[2]) break;
          for (let kx = 0; kx < kernel[1]; kx++) {
            const z = x0 + kx * dilations[1];
            if (z >= inW + pads[3]) break;
            full++;
            if (y >= 0 && y < inH && z >= 0 && z < inW) offsets[count++] = ((image * inH + y) * inW + z) * channels;
          }
        }
        visit(offsets, count, full, to);
      }
    }
  }
}

function storeF32(acc: Float64Array, divisor: number, channels: number, out: Float32Array, to: number, finish: FloatFinish): void {
  const { lo, hi, hardswish } = finish;
  for (let c = 0; c < channels; c++) out[to + c] = finishValue(acc[c]! / divisor, lo, hi, hardswish);
}

function windowF32(
  x: Float32Array,
  at: Int32Array,
  count: number,
  channels: number,
  acc: Float64Array,
  max: boolean,
  lowest: number,
): void {
  for (let c = 0; c < channels; c++) acc[c] = max ? lowest : 0;
  for (let t = 0; t < count; t++) {
    const from = at[t]!;
    if (max) {
      for (let c = 0; c < channels; c++) {
        acc[c] = largerOf(acc[c]!, x[from + c]!);
      }
    } else {
      for (let c = 0; c < channels; c++) acc[c] = acc[c]! + x[from + c]!;
    }
  }
}

function windowAny(x: TypedArray, at: Int32Array, count: number, channels: number, acc: Float64Array, max: boolean, lowest: number): void {
  for (let c = 0; c < channels; c++) acc[c] = max ? lowest : 0;
  for (let t = 0; t < count; t++) {
    for (let c = 0; c < channels; c++) {
      const v = x[at[t]! + c]!;
      acc[c] = max ? Math.max(acc[c]!, v) : acc[c]! + v;
    }
  }
}

function windowBytes(
  x: Int8Array | Uint8Array | Int16Array,
  at: Int32Array,
  count: number,
  channels: number,
  acc: Int32Array,
  max: boolean,
  lowest: number,
): void {
  for (let c = 0; c < channels; c++) acc[c] = max ? lowest : 0;
  for (let t = 0; t < count; t++) {
    const from = at[t]!;
    if (max) {
      for (let c = 0; c < channels; c++) {
        // max(a, b) = a - min(a - b, 0), the minimum by the sign bit.
        const less = acc[c]! - x[from + c]!;
        acc[c] = acc[c]! - (less & (less >> 31));
      }
    } else {
      for (let c = 0; c < channels; c++) acc[c] = (acc[c]! + x[from + c]!) | 0;
    }
  }
}
