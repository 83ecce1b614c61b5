/** The training loop: epochs over shuffled batches, shards summed in order, one optimizer step a batch, one report an epoch. */
import { mulberry32, shuffle } from "../data/random.ts";
import type { AugmentOptions } from "./augment.ts";
import type { LossResult } from "./loss.ts";
import type { Network } from "./network.ts";
import type { Optimizer } from "./optimizer.ts";
import type { ShardTask } from "./shard.ts";

export interface LoopOptions {
  readonly samples: number;
  readonly epochs: number;
  readonly batch: number;
  /** Parts of a batch; changing it changes rounding and batch-norm statistics, hence the result. */
  readonly shards: number;
  readonly seed: number;
  readonly smoothing?: number;
  readonly augmentation?: AugmentOptions;
  /** Step number (0-based, over all epochs) → learning rate. */
  readonly learningRate: (step: number) => number;
  /** After every optimizer step: proximal operators, masks, constraints. */
  readonly afterStep?: (learningRate: number, step: number) => void;
  readonly afterEpoch?: (report: EpochReport) => void;
}

export interface EpochReport {
  readonly epoch: number;
  /** Mean over the epoch's samples, as trained (distorted, smoothed). */
  readonly loss: number;
  readonly accuracy: number;
  readonly seconds: number;
}

/** One shard's outcome: loss, and copies (or views, valid until the next batch) of what it left in its network. */
export interface ShardOutcome extends LossResult {
  readonly gradient: Float32Array;
  readonly states: Float32Array;
}

/** Runs the shards of one batch, all from the master network's present parameters and states. */
export type ShardExecutor = (tasks: readonly ShardTask[]) => Promise<readonly ShardOutcome[]>;

/** Values of all parameters or states in one array, in order. */
export function flatten(arrays: readonly Float32Array[]): Float32Array {
  const flat = new Float32Array(arrays.reduce((sum, a) => sum + a.length, 0));
  let at = 0;
  for (const array of arrays) {
    flat.set(array, at);
    at += array.length;
  }
  return flat;
}

/** The inverse of `flatten`, into existing arrays. */
export function unflatten(flat: Float32Array, arrays: readonly Float32Array[]): void {
  let at = 0;
  for (const array of arrays) {
    array.set(flat.subarray(at, at + array.length));
    at += array.length;
  }
}

export const gradientsOf = (network: Network): readonly Float32Array[] => network.parameters.map((p) => p.gradient);
export const valuesOf = (network: Network): readonly Float32Array[] => network.parameters.map((p) => p.value);
export const statesOf = (network: Network): readonly Float32Array[] => network.states.map((s) => s.value);

/** All shards one after the other on the master network itself. */
export function localExecutor(network: Network, run: (task: ShardTask) => LossResult): ShardExecutor {
  return (tasks) => {
    const before = flatten(statesOf(network));
    const outcomes = tasks.map((task) => {
      unflatten(before, statesOf(network));
      const result = run(task);
      return { ...result, gradient: flatten(gradientsOf(network)), states: flatten(statesOf(network)) };
    });
    return Promise.resolve(outcomes);
  };
}

/** Adds gradients and averages states in shard order, into the master. */
function merge(network: Network, outcomes: readonly ShardOutcome[]): void {
  const [first] = outcomes;
  if (first === undefined) return;
  const gradient = first.gradient.slice();
  const states = first.states.slice();
  for (const outcome of outcomes.slice(1)) {
    for (let i = 0; i < gradient.length; i++) gradient[i] = gradient[i]! + outcome.gradient[i]!;
    for (let i = 0; i < states.length; i++) states[i] = states[i]! + outcome.states[i]!;
  }
  for (let i = 0; i < states.length; i++) states[i] = states[i]! / outcomes.length;
  unflatten(gradient, gradientsOf(network));
  unflatten(states, statesOf(network));
}

/** Trains in place. The last, smaller batch of an epoch is dropped; another shuffle sees its samples. */
export async function train(network: Network, optimizer: Optimizer, execute: ShardExecutor, options: LoopOptions): Promise<void> {
  const order = Int32Array.from({ length: options.samples }, (_, i) => i);
  const random = mulberry32(options.seed);
  const stepsPerEpoch = Math.floor(options.samples / options.batch);
  const shardSize = options.batch / options.shards;
  let step = 0;
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    const startMs = performance.now();
    shuffle(random, order);
    const epochSeed = Math.floor(random() * 2 ** 32);
    let loss = 0;
    let correct = 0;
    for (let b = 0; b < stepsPerEpoch; b++, step++) {
      const tasks = Array.from({ length: options.shards }, (_, s): ShardTask => {
        const start = b * options.batch + s * shardSize;
        const task = {
          samples: order.slice(start, start + shardSize),
          gradientScale: 1 / options.batch,
          smoothing: options.smoothing ?? 0,
        };
        return { ...task, seed: epochSeed, ...(options.augmentation === undefined ? {} : { augmentation: options.augmentation }) };
      });
      const outcomes = await execute(tasks);
      merge(network, outcomes);
      for (const outcome of outcomes) {
        loss += outcome.loss;
        correct += outcome.correct;
      }
      const learningRate = options.learningRate(step);
      optimizer.step(learningRate);
      options.afterStep?.(learningRate, step);
    }
    const seen = stepsPerEpoch * options.batch;
    options.afterEpoch?.({ epoch, loss: loss / seen, accuracy: correct / seen, seconds: (performance.now() - startMs) / 1000 });
  }
}
