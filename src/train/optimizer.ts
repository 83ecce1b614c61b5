/** Optimizers over a network's parameters, and the learning-rate schedule. */
import type { Parameter } from "./layer.ts";

export interface Optimizer {
  /** One update from the parameters' gradients, which stay as they are. */
  step(learningRate: number): void;
}

/** Stochastic gradient descent with Nesterov momentum; weight decay is added to the gradient (L2), where a parameter allows it. */
export function sgd(parameters: readonly Parameter[], options: { momentum: number; weightDecay: number }): Optimizer {
  const velocities = parameters.map((p) => new Float32Array(p.value.length));
  return {
    step: (learningRate) => {
      parameters.forEach((p, index) => {
        const velocity = velocities[index]!;
        const decay = p.decay ? options.weightDecay : 0;
        for (let i = 0; i < velocity.length; i++) {
          const g = p.gradient[i]! + decay * p.value[i]!;
          const v = options.momentum * velocity[i]! + g;
          velocity[i] = v;
          p.value[i] = p.value[i]! - learningRate * (g + options.momentum * v);
        }
      });
    },
  };
}

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019). */
export function adam(
  parameters: readonly Parameter[],
  options: { weightDecay: number; beta1?: number; beta2?: number; epsilon?: number },
): Optimizer {
  const { weightDecay, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const moments = parameters.map((p) => ({ first: new Float32Array(p.value.length), second: new Float32Array(p.value.length) }));
  let steps = 0;
  return {
    step: (learningRate) => {
      steps++;
      const correction1 = 1 - beta1 ** steps;
      const correction2 = 1 - beta2 ** steps;
      parameters.forEach((p, index) => {
        const { first, second } = moments[index]!;
        const decay = p.decay ? learningRate * weightDecay : 0;
        for (let i = 0; i < first.length; i++) {
          const g = p.gradient[i]!;
          const m = beta1 * first[i]! + (1 - beta1) * g;
          const v = beta2 * second[i]! + (1 - beta2) * g * g;
          first[i] = m;
          second[i] = v;
          p.value[i] = p.value[i]! * (1 - decay) - (learningRate * (m / correction1)) / (Math.sqrt(v / correction2) + epsilon);
        }
      });
    },
  };
}

export function zeroGradients(parameters: readonly Parameter[]): void {
  for (const p of parameters) p.gradient.fill(0);
}

/** Linear warm-up to `peak`, then half a cosine down to zero at `total` steps (Loshchilov and Hutter 2017). */
export function cosineSchedule(peak: number, total: number, warmup: number): (step: number) => number {
  return (step) => {
    if (step < warmup) return (peak * (step + 1)) / warmup;
    return (peak / 2) * (1 + Math.cos((Math.PI * (step - warmup)) / Math.max(1, total - warmup)));
  };
}
