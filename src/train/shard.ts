/**
 * A batch is cut into a fixed number of shards; each computes its gradient from the same parameters and states, and the trainer adds
 * them up in shard order. Everything a shard does depends on its sample numbers and the seed only, so shards may run anywhere, in any
 * order, without changing a bit of the result.
 */
import { mulberry32 } from "../data/random.ts";
import { augment, type AugmentOptions } from "./augment.ts";
import { volume } from "./layer.ts";
import { softmaxCrossEntropy, type LossResult } from "./loss.ts";
import type { Network } from "./network.ts";
import { zeroGradients } from "./optimizer.ts";

/** Grey images of one size, and their labels. */
export interface TrainingSet {
  readonly height: number;
  readonly width: number;
  /** count × height × width */
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
  /** A pixel's value as the network sees it: byte × valueScale. */
  readonly valueScale: number;
}

export interface ShardTask {
  readonly samples: Int32Array;
  /** Weight of each sample's gradient: 1 / batch. */
  readonly gradientScale: number;
  readonly smoothing: number;
  /** Absent: images as they are. */
  readonly augmentation?: AugmentOptions;
  /** Differs for every epoch and run; with the sample's number it decides the sample's distortion. */
  readonly seed: number;
}

/** Fills x with the task's images, distorted where it says so. */
function load(set: TrainingSet, task: ShardTask, x: Float32Array): void {
  const size = set.height * set.width;
  task.samples.forEach((sample, row) => {
    if (task.augmentation !== undefined) {
      const random = mulberry32(Math.imul(task.seed, 0x9e3779b1) ^ Math.imul(sample + 1, 0x85ebca6b));
      augment(set.pixels, sample * size, set.height, set.width, x, row * size, set.valueScale, task.augmentation, random);
      return;
    }
    for (let i = 0; i < size; i++) x[row * size + i] = set.pixels[sample * size + i]! * set.valueScale;
  });
}

/** Buffers for one network's shards. @returns runs one: zeroes the gradients, leaves the shard's own in the network */
export function shardRunner(
  network: Network,
  set: TrainingSet,
  allocate: (length: number) => Float32Array,
): (task: ShardTask) => LossResult {
  const x = allocate(network.maxBatch * volume(network.input));
  const dLogits = allocate(network.maxBatch * network.classes);
  return (task) => {
    const batch = task.samples.length;
    load(set, task, x);
    zeroGradients(network.parameters);
    const logits = network.forward(x, batch, true);
    const labels = Int32Array.from(task.samples, (sample) => set.labels[sample]!);
    const result = softmaxCrossEntropy(logits, labels, batch, network.classes, dLogits, {
      scale: task.gradientScale,
      smoothing: task.smoothing,
    });
    network.backward(dLogits, batch);
    return result;
  };
}

/** Share of right answers with running statistics and no distortion. */
export function evaluate(network: Network, set: TrainingSet, allocate: (length: number) => Float32Array): () => number {
  const x = allocate(network.maxBatch * volume(network.input));
  return () => {
    let correct = 0;
    for (let start = 0; start < set.labels.length; start += network.maxBatch) {
      const batch = Math.min(network.maxBatch, set.labels.length - start);
      const samples = Int32Array.from({ length: batch }, (_, i) => start + i);
      load(set, { samples, gradientScale: 0, smoothing: 0, seed: 0 }, x);
      const logits = network.forward(x, batch, false);
      for (let b = 0; b < batch; b++) {
        let best = 0;
        for (let c = 1; c < network.classes; c++) {
          if (logits[b * network.classes + c]! > logits[b * network.classes + best]!) best = c;
        }
        if (best === set.labels[start + b]) correct++;
      }
    }
    return correct / set.labels.length;
  };
}
