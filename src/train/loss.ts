/** Losses: value and gradient by the logits. */

export interface LossResult {
  /** Sum over the batch. */
  readonly loss: number;
  readonly correct: number;
}

/**
 * Softmax cross-entropy. The gradient is of the *sum* over the batch times `scale`, so that shards of one batch add up.
 * @param logits batch × classes
 * @param dLogits written: scale · (softmax - target); may be the same array as logits
 * @param smoothing share of the target spread evenly over all classes
 */
export function softmaxCrossEntropy(
  logits: Float32Array,
  labels: Int32Array,
  batch: number,
  classes: number,
  dLogits: Float32Array,
  options: { scale: number; smoothing?: number },
): LossResult {
  const smoothing = options.smoothing ?? 0;
  const exponentials = new Float64Array(classes);
  let loss = 0;
  let correct = 0;
  for (let b = 0; b < batch; b++) {
    const at = b * classes;
    const label = labels[b]!;
    let best = 0;
    for (let c = 1; c < classes; c++) if (logits[at + c]! > logits[at + best]!) best = c;
    if (best === label) correct++;
    const max = logits[at + best]!;
    let sum = 0;
    for (let c = 0; c < classes; c++) {
      exponentials[c] = Math.exp(logits[at + c]! - max);
      sum += exponentials[c]!;
    }
    const logSum = Math.log(sum) + max;
    for (let c = 0; c < classes; c++) {
      const target = smoothing / classes + (c === label ? 1 - smoothing : 0);
      loss += target * (logSum - logits[at + c]!);
      dLogits[at + c] = options.scale * (exponentials[c]! / sum - target);
    }
  }
  return { loss, correct };
}
