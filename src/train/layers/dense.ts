/** Fully connected layer: y = x · Wᵀ + b, weights [O, K]. The input is whatever came before, flattened in NHWC order. */
import { heUniform, parameter, volume, type Layer, type LayerFactory } from "../layer.ts";

export function dense(name: string, units: number): LayerFactory {
  return (input, { compute, maxBatch, random }): Layer => {
    const depth = volume(input);
    const weights = parameter(compute, `${name}.weight`, [units, depth], heUniform(random, depth), { decay: true, prunable: true });
    const biases = parameter(compute, `${name}.bias`, [units], () => 0, { decay: false, prunable: false });
    const y = compute.allocate(maxBatch * units);
    const dx = compute.allocate(maxBatch * depth);
    let lastInput = dx;
    return {
      name,
      definition: { kind: "dense" },
      input,
      output: [1, 1, units],
      parameters: [weights, biases],
      states: [],
      forward: (x, batch) => {
        lastInput = x;
        for (let r = 0; r < batch; r++) y.set(biases.value, r * units);
        compute.matmul({ m: batch, n: units, k: depth, a: x, b: weights.value, transposeB: true, c: y, accumulate: true });
        return y;
      },
      backward: (dy, batch) => {
        const g = biases.gradient;
        for (let r = 0, at = 0; r < batch; r++) for (let o = 0; o < units; o++, at++) g[o] = g[o]! + dy[at]!;
        compute.matmul({ m: units, n: depth, k: batch, a: dy, transposeA: true, b: lastInput, c: weights.gradient, accumulate: true });
        compute.matmul({ m: batch, n: depth, k: units, a: dy, b: weights.value, c: dx });
        return dx;
      },
    };
  };
}
