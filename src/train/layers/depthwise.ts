/** Depthwise 2-D convolution, one filter a channel, weights [KH, KW, C]: channels are contiguous in image, weights and output alike. */
import { heUniform, parameter, volume, type Dims, type Layer, type LayerFactory } from "../layer.ts";

export interface DepthwiseOptions {
  readonly kernel: number;
  readonly stride?: number;
  readonly pad?: number;
}

/** No bias: a batch normalization follows wherever we use it. */
export function depthwise(name: string, options: DepthwiseOptions): LayerFactory {
  const { kernel, stride = 1, pad = 0 } = options;
  return (input, { compute, maxBatch, random }): Layer => {
    const [height, width, channels] = input;
    const outHeight = Math.floor((height + 2 * pad - kernel) / stride) + 1;
    const outWidth = Math.floor((width + 2 * pad - kernel) / stride) + 1;
    const output: Dims = [outHeight, outWidth, channels];
    const weights = parameter(compute, `${name}.weight`, [kernel, kernel, channels], heUniform(random, kernel * kernel), {
      decay: true,
      prunable: false,
    });
    const y = compute.allocate(maxBatch * volume(output));
    const dx = compute.allocate(maxBatch * volume(input));
    let lastInput = dx;

    const geometry = { height, width, channels, kernel, stride, pad, outHeight, outWidth };

    return {
      name,
      definition: { kind: "depthwise", kernel, stride, pad },
      input,
      output,
      parameters: [weights],
      states: [],
      forward: (x, batch) => {
        lastInput = x;
        compute.depthwise(batch, geometry, x, weights.value, y);
        return y;
      },
      backward: (dy, batch) => {
        compute.depthwiseGradient(batch, geometry, lastInput, weights.value, dy, dx, weights.gradient);
        return dx;
      },
    };
  };
}
