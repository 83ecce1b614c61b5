/** Convolutions and matrix products, each output element by its defining sum. */
import type { Activation, OpAttrs, Rounding } from "../../src/graph/ir.ts";
import { activate } from "./elementwise.ts";
import { fixedAccumulator, requantizeAccumulator } from "./quantize.ts";
import { allIndices, at, f32, inside, scaleAt, zeroPointAt } from "./tensor.ts";
import type { NaiveOutput, NaiveTensor } from "./tensor.ts";

/** A factor pair of the sum; both as stored. */
type Visit = (xIndex: number[], wIndex: number[]) => void;

interface Finish {
  readonly activation?: Activation;
  readonly rounding?: Rounding;
  /** Of a layer that TFLite gives one multiplier where its weights have one scale. */
  readonly isDense?: boolean;
}

/** Sums x × w over the pairs that `pairs` visits, adds the bias and brings the sum to the output's type. */
function sumOfProducts(
  x: NaiveTensor,
  w: NaiveTensor,
  bias: NaiveTensor | undefined,
  output: NaiveOutput,
  channel: number,
  { activation, rounding, isDense = false }: Finish,
  pairs: (visit: Visit) => void,
): number {
  let sum = bias === undefined ? 0 : bias.data[channel]!;
  if (output.quant === undefined) {
    const weight = (index: number[]): number =>
      w.quant === undefined ? at(w, index) : f32((at(w, index) - zeroPointAt(w.quant, index)) * scaleAt(w.quant, index));
    pairs((xi, wi) => (sum += at(x, xi) * weight(wi)));
    return activate(sum, activation);
  }
  const zx = x.quant!.zeroPoints[0]!;
  let weightScale = w.quant!.scales[0]!;
  pairs((xi, wi) => {
    sum += (at(x, xi) - zx) * (at(w, wi) - zeroPointAt(w.quant!, wi));
    weightScale = scaleAt(w.quant!, wi);
  });
  if (w.quant!.scales.length > 1) weightScale = w.quant!.scales[channel]!;
  if (rounding !== undefined) {
    const product = x.quant!.scales[0]! * weightScale;
    const isSingle = w.quant!.scales.length === 1 && (isDense || x.dtype === "uint8");
    return fixedAccumulator(sum | 0, (isSingle ? f32(product) : product) / output.quant.scales[0]!, rounding, output, activation);
  }
  return requantizeAccumulator(
    x.dtype === "int16" ? sum : sum | 0,
    f32(f32(x.quant!.scales[0]! * weightScale) / output.quant.scales[0]!),
    output,
    activation,
  );
}

export function naiveConv2D(
  x: NaiveTensor,
  w: NaiveTensor,
  bias: NaiveTensor | undefined,
  attrs: OpAttrs["Conv2D"],
  output: NaiveOutput,
): number[] {
  const [, kh, kw, groupIn] = w.shape as [number, number, number, number];
  const groupOut = output.shape[3]! / attrs.groups;
  return allIndices(output.shape).map(([n, oy, ox, o]) =>
    sumOfProducts(x, w, bias, output, o!, attrs, (visit) => {
      for (const [ky, kx, c] of allIndices([kh, kw, groupIn])) {
        const y = oy! * attrs.strides[0] + ky! * attrs.dilations[0] - attrs.pads[0];
        const z = ox! * attrs.strides[1] + kx! * attrs.dilations[1] - attrs.pads[1];
        if (inside(x, y, z)) visit([n!, y, z, Math.floor(o! / groupOut) * groupIn + c!], [o!, ky!, kx!, c!]);
      }
    }),
  );
}

export function naiveDepthwise(
  x: NaiveTensor,
  w: NaiveTensor,
  bias: NaiveTensor | undefined,
  attrs: OpAttrs["DepthwiseConv2D"],
  output: NaiveOutput,
): number[] {
  const [, kh, kw, channels] = w.shape as [number, number, number, number];
  const multiplier = channels / x.shape[3]!;
  return allIndices(output.shape).map(([n, oy, ox, o]) =>
    sumOfProducts(x, w, bias, output, o!, attrs, (visit) => {
      for (const [ky, kx] of allIndices([kh, kw])) {
        const y = oy! * attrs.strides[0] + ky! * attrs.dilations[0] - attrs.pads[0];
        const z = ox! * attrs.strides[1] + kx! * attrs.dilations[1] - attrs.pads[1];
        if (inside(x, y, z)) visit([n!, y, z, Math.floor(o! / multiplier)], [0, ky!, kx!, o!]);
      }
    }),
  );
}

/** By its definition: each input pixel stamps the kernel on the output at y*stride + k*dilation - pad. */
export function naiveConvTranspose(
  x: NaiveTensor,
  w: NaiveTensor,
  bias: NaiveTensor | undefined,
  attrs: OpAttrs["ConvTranspose2D"],
  output: NaiveOutput,
): number[] {
  const [, kh, kw, groupIn] = w.shape as [number, number, number, number];
  const groupOut = output.shape[3]! / attrs.groups;
  return allIndices(output.shape).map(([n, oy, ox, o]) =>
    sumOfProducts(x, w, bias, output, o!, attrs, (visit) => {
      for (const [y, z, ky, kx, c] of allIndices([x.shape[1]!, x.shape[2]!, kh, kw, groupIn])) {
        const hitsY = y! * attrs.strides[0] + ky! * attrs.dilations[0] - attrs.pads[0] === oy;
        const hitsX = z! * attrs.strides[1] + kx! * attrs.dilations[1] - attrs.pads[1] === ox;
        if (hitsY && hitsX) visit([n!, y!, z!, Math.floor(o! / groupOut) * groupIn + c!], [o!, ky!, kx!, c!]);
      }
    }),
  );
}

export function naiveDense(
  x: NaiveTensor,
  w: NaiveTensor,
  bias: NaiveTensor | undefined,
  attrs: OpAttrs["Dense"],
  output: NaiveOutput,
): number[] {
  return allIndices(output.shape).map((index) => {
    const row = index.slice(0, -1);
    const o = index[index.length - 1]!;
    return sumOfProducts(x, w, bias, output, o, { ...attrs, isDense: true }, (visit) => {
      for (let k = 0; k < w.shape[1]!; k++) visit([...row, k], [o, k]);
    });
  });
}

export function naiveMatMul(a: NaiveTensor, b: NaiveTensor, attrs: OpAttrs["MatMul"], output: NaiveOutput): number[] {
  const rankA = a.shape.length;
  const rankB = b.shape.length;
  const k = rankA === 1 ? a.shape[0]! : a.shape[attrs.transposeA ? rankA - 2 : rankA - 1]!;
  return allIndices(output.shape).map((index) => {
    const columns = rankB === 1 ? [] : [index[index.length - 1]!];
    const rest = rankB === 1 ? index : index.slice(0, -1);
    const rows = rankA === 1 ? [] : [rest[rest.length - 1]!];
    const batch = rankA === 1 ? rest : rest.slice(0, -1);
    const batchOf = (shape: readonly number[]): number[] => {
      const own = shape.slice(0, -2);
      return own.map((size, d) => (size === 1 ? 0 : batch[batch.length - own.length + d]!));
    };
    const order = (flip: boolean, pair: number[]): number[] => (flip && pair.length === 2 ? [pair[1]!, pair[0]!] : pair);
    return sumOfProducts(a, b, undefined, output, columns[0] ?? 0, {}, (visit) => {
      for (let i = 0; i < k; i++) {
        visit(
          [...batchOf(a.shape), ...order(attrs.transposeA, [...rows, i])],
          [...batchOf(b.shape), ...order(attrs.transposeB, [i, ...columns])],
        );
      }
    });
  });
}
