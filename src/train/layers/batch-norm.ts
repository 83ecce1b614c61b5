/**
 * Batch normalization over batch, height and width (Ioffe and Szegedy 2015). Running statistics are exponential averages with the
 * unbiased variance, as PyTorch keeps them. In data-parallel training every shard normalizes with its own statistics.
 */
import { parameter, volume, type Layer, type LayerFactory, type State } from "../layer.ts";

export const BATCH_NORM_EPSILON = 1e-5;
const MOMENTUM = 0.1;

export function batchNorm(name: string): LayerFactory {
  return (input, { compute, maxBatch }): Layer => {
    const channels = input[2];
    const pixels = input[0] * input[1];
    const gamma = parameter(compute, `${name}.gamma`, [channels], () => 1, { decay: false, prunable: false });
    const beta = parameter(compute, `${name}.beta`, [channels], () => 0, { decay: false, prunable: false });
    const runningMean: State = { name: `${name}.mean`, value: compute.allocate(channels) };
    const runningVariance: State = { name: `${name}.variance`, value: compute.allocate(channels).fill(1) };
    const y = compute.allocate(maxBatch * volume(input));
    const dx = compute.allocate(maxBatch * volume(input));
    const perChannel = (): Float32Array => compute.allocate(channels);
    const [mean, variance, scale, offset] = [perChannel(), perChannel(), perChannel(), perChannel()];
    const [sum, product, slope] = [perChannel(), perChannel(), perChannel()];
    let lastInput = dx;

    const updateRunning = (rows: number): void => {
      for (let c = 0; c < channels; c++) {
        const unbiased = (variance[c]! * rows) / Math.max(1, rows - 1);
        runningMean.value[c] = runningMean.value[c]! + MOMENTUM * (mean[c]! - runningMean.value[c]!);
        runningVariance.value[c] = runningVariance.value[c]! + MOMENTUM * (unbiased - runningVariance.value[c]!);
      }
    };

    return {
      name,
      definition: { kind: "batchnorm", epsilon: BATCH_NORM_EPSILON },
      input,
      output: input,
      parameters: [gamma, beta],
      states: [runningMean, runningVariance],
      forward: (x, batch, training) => {
        lastInput = x;
        const rows = batch * pixels;
        if (training) {
          compute.moments(rows, channels, x, mean, variance);
          updateRunning(rows);
        } else {
          mean.set(runningMean.value);
          variance.set(runningVariance.value);
        }
        for (let c = 0; c < channels; c++) {
          scale[c] = gamma.value[c]! / Math.sqrt(variance[c]! + BATCH_NORM_EPSILON);
          offset[c] = beta.value[c]! - mean[c]! * scale[c]!;
        }
        compute.affine(rows, channels, x, scale, offset, y);
        return y;
      },
      // With x̂ = (x - mean)/σ: dx = γ/σ · (dy - mean(dy) - x̂ · mean(dy·x̂)), means over the batch.
      backward: (dy, batch) => {
        const rows = batch * pixels;
        compute.gradientSums(rows, channels, lastInput, mean, dy, sum, product);
        for (let c = 0; c < channels; c++) {
          const inverse = 1 / Math.sqrt(variance[c]! + BATCH_NORM_EPSILON);
          gamma.gradient[c] = gamma.gradient[c]! + product[c]! * inverse;
          beta.gradient[c] = beta.gradient[c]! + sum[c]!;
          scale[c] = gamma.value[c]! * inverse;
          slope[c] = (scale[c]! * inverse * inverse * product[c]!) / rows;
          offset[c] = (scale[c]! * sum[c]!) / rows - slope[c]! * mean[c]!;
        }
        compute.combine(rows, channels, dy, scale, lastInput, slope, offset, dx);
        return dx;
      },
    };
  };
}
