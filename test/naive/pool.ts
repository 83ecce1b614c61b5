/** Pools and Reduce. */
import type { OpAttrs, Pool2DAttrs } from "../../src/graph/ir.ts";
import { activate } from "./elementwise.ts";
import { clampBounds, naiveRequantize, requantizeAccumulator } from "./quantize.ts";
import { allIndices, at, f32, inside } from "./tensor.ts";
import type { NaiveOutput, NaiveTensor } from "./tensor.ts";

export function naivePool(x: NaiveTensor, attrs: Pool2DAttrs, max: boolean, output: NaiveOutput): number[] {
  return allIndices(output.shape).map(([n, oy, ox, c]) => {
    const values: number[] = [];
    for (const [ky, kx] of allIndices([...attrs.kernel])) {
      const y = oy! * attrs.strides[0] + ky! * attrs.dilations[0] - attrs.pads[0];
      const z = ox! * attrs.strides[1] + kx! * attrs.dilations[1] - attrs.pads[1];
      if (inside(x, y, z)) values.push(at(x, [n!, y, z, c!]));
    }
    const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const divisor = attrs.countIncludePad ? attrs.kernel[0] * attrs.kernel[1] : values.length;
    const sum = values.reduce((a, b) => a + b, 0);
    if (x.quant === undefined) return activate(max ? largest : sum / divisor, attrs.activation);
    if (max) {
      const [lo, hi] = clampBounds(attrs.activation, output);
      return Math.min(Math.max(regrid(largest, x, output), lo), hi);
    }
    const scale = f32(f32(x.quant.scales[0]! / output.quant!.scales[0]!) / divisor);
    return requantizeAccumulator(sum - values.length * x.quant.zeroPoints[0]!, scale, output, attrs.activation);
  });
}

/** One stored value from x's grid to the output's. */
function regrid(q: number, x: NaiveTensor, output: NaiveOutput): number {
  return naiveRequantize({ ...x, shape: [1], data: [q] }, output)[0]!;
}

export function naiveReduce(x: NaiveTensor, attrs: OpAttrs["Reduce"], output: NaiveOutput): number[] {
  const keptShape = x.shape.map((size, d) => (attrs.axes.includes(d) ? 1 : size));
  return allIndices(keptShape).map((kept) => {
    const values = allIndices(x.shape.map((size, d) => (attrs.axes.includes(d) ? size : 1))).map((offset) =>
      at(
        x,
        kept.map((i, d) => i + offset[d]!),
      ),
    );
    const sum = values.reduce((a, b) => a + b, 0);
    if (x.quant !== undefined && (attrs.fn === "mean" || attrs.fn === "sum")) {
      const ratio = f32(x.quant.scales[0]! / output.quant!.scales[0]!);
      return requantizeAccumulator(
        sum - values.length * x.quant.zeroPoints[0]!,
        attrs.fn === "mean" ? f32(ratio / values.length) : ratio,
        output,
        undefined,
      );
    }
    const result = {
      mean: sum / values.length,
      sum,
      max: values.reduce((a, b) => Math.max(a, b), -Infinity),
      min: values.reduce((a, b) => Math.min(a, b), Infinity),
      prod: values.reduce((a, b) => a * b, 1),
    }[attrs.fn];
    if (x.quant !== undefined) return regrid(result, x, output);
    return output.dtype === "float32" || output.dtype === "float64" ? result : Math.trunc(result);
  });
}
