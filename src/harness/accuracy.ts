/** Top-1 accuracy from predictions, and what compression changed on the very same samples. */
import type { Accuracy } from "../results/schema.ts";
import { comparePaired } from "../stats/paired.ts";

/** Predictions of the original model, by sample index; the targets of a model share them where one of its own is missing. */
export class ReferencePredictions {
  readonly #byTarget = new Map<string, Map<number, number>>();

  add(target: string, indices: ArrayLike<number>, predictions: ArrayLike<number>): void {
    const known = this.#byTarget.get(target) ?? new Map<number, number>();
    this.#byTarget.set(target, known);
    for (let i = 0; i < indices.length; i++) known.set(indices[i] ?? -1, predictions[i] ?? -1);
  }

  /** The original's predictions for all of `indices`: the same target's where it has them all, else another's that has. */
  find(target: string, indices: ArrayLike<number>): Int32Array | undefined {
    const own = this.#byTarget.get(target);
    for (const known of own === undefined ? this.#byTarget.values() : [own, ...this.#byTarget.values()]) {
      const list = Int32Array.from(indices, (index) => known.get(index) ?? -1);
      if (!list.includes(-1)) return list;
    }
    return undefined;
  }
}

export interface AccuracyInput {
  readonly labels: readonly number[];
  /** Samples that were evaluated, and the class that the model gave each. */
  readonly indices: Int32Array;
  readonly predictions: Int32Array;
  readonly seed: number;
  /** The original model's predictions for the same samples; absent for the original itself. */
  readonly reference?: Int32Array;
  readonly sqnrDb?: number | undefined;
}

export function describeAccuracy({ labels, indices, predictions, seed, reference, sqnrDb }: AccuracyInput): Accuracy {
  const right = (list: Int32Array): Uint8Array => Uint8Array.from(list, (label, i) => Number(label === labels[indices[i] ?? -1]));
  const share = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0) / flags.length;
  const own = right(predictions);
  const base: Accuracy = {
    metric: "top1",
    value: share(own),
    n: indices.length,
    of: labels.length,
    ...(indices.length < labels.length ? { samples: `first ${indices.length} of a shuffle, seed ${seed}` } : {}),
    ...(sqnrDb === undefined ? {} : { sqnrDb }),
  };
  if (reference === undefined) return base;
  const before = right(reference);
  const { delta, deltaCi95, p } = comparePaired(before, own);
  const same = predictions.reduce((sum, label, i) => sum + Number(label === reference[i]), 0);
  return { ...base, reference: share(before), delta, deltaCi95: [...deltaCi95], deltaP: p, agreement: same / predictions.length };
}
