/**
 * Dense 2-D convolution by im2col and one matrix product a pass: columns [batch·OH·OW, KH·KW·C] times weights [O, KH·KW·C]
 * transposed. The column buffer is kept for the backward pass, which needs it for the weights' gradient.
 */
import { heUniform, parameter, volume, type Dims, type Layer, type LayerFactory } from "../layer.ts";

export interface ConvOptions {
  readonly filters: number;
  readonly kernel: number;
  readonly stride?: number;
  /** Zeros on every side. */
  readonly pad?: number;
  readonly bias?: boolean;
  /** False for the first layer of a net: skips the gradient by the image, `backward` returns an empty array. */
  readonly inputGradient?: boolean;
}

export function conv(name: string, options: ConvOptions): LayerFactory {
  const { filters, kernel, stride = 1, pad = 0, bias = true, inputGradient = true } = options;
  return (input, { compute, maxBatch, random }): Layer => {
    const [height, width, channels] = input;
    const outHeight = Math.floor((height + 2 * pad - kernel) / stride) + 1;
    const outWidth = Math.floor((width + 2 * pad - kernel) / stride) + 1;
    const output: Dims = [outHeight, outWidth, filters];
    const depth = kernel * kernel * channels;
    const pixels = outHeight * outWidth;
    const pointwise = kernel === 1 && stride === 1 && pad === 0;
    const weights = parameter(compute, `${name}.weight`, [filters, kernel, kernel, channels], heUniform(random, depth), {
      decay: true,
      prunable: true,
    });
    const biases = bias ? parameter(compute, `${name}.bias`, [filters], () => 0, { decay: false, prunable: false }) : undefined;
    const y = compute.allocate(maxBatch * volume(output));
    const dx = compute.allocate(inputGradient ? maxBatch * volume(input) : 0);
    const columns = compute.allocate(pointwise ? 0 : maxBatch * pixels * depth);
    const dColumns = compute.allocate(pointwise || !inputGradient ? 0 : maxBatch * pixels * depth);
    /** What the last forward pass multiplied: the columns, or the input itself where the two are the same. */
    let multiplied = columns;

    const geometry = { height, width, channels, kernel, stride, pad, outHeight, outWidth };

    return {
      name,
      definition: { kind: "conv", kernel, stride, pad },
      input,
      output,
      parameters: biases === undefined ? [weights] : [weights, biases],
      states: [],
      forward: (x, batch) => {
        if (pointwise) multiplied = x;
        else compute.im2col(batch, geometry, x, columns);
        const rows = batch * pixels;
        if (biases !== undefined) for (let r = 0; r < rows; r++) y.set(biases.value, r * filters);
        compute.matmul({
          m: rows,
          n: filters,
          k: depth,
          a: multiplied,
          b: weights.value,
          transposeB: true,
          c: y,
          accumulate: biases !== undefined,
        });
        return y;
      },
      backward: (dy, batch) => {
        const rows = batch * pixels;
        if (biases !== undefined) {
          const g = biases.gradient;
          for (let r = 0, at = 0; r < rows; r++) for (let o = 0; o < filters; o++, at++) g[o] = g[o]! + dy[at]!;
        }
        compute.matmul({
          m: filters,
          n: depth,
          k: rows,
          a: dy,
          transposeA: true,
          b: multiplied,
          c: weights.gradient,
          accumulate: true,
        });
        if (!inputGradient) return dx;
        compute.matmul({ m: rows, n: depth, k: filters, a: dy, b: weights.value, c: pointwise ? dx : dColumns });
        if (pointwise) return dx;
        compute.col2im(batch, geometry, dColumns, dx);
        return dx;
      },
    };
  };
}
