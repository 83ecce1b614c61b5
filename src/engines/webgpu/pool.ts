/**
 * Which activations share a buffer: greedy by size over lifetimes ("shared objects" of Pisarchyk and Lee, "Efficient memory management
 * for deep neural net inference", 2020). Whole buffers and not offsets in one arena, since WebGPU forbids one buffer to be read and
 * written by the same dispatch, whatever the ranges.
 */
import { invariant } from "../../errors.ts";
import type { Lowered } from "./lower/context.ts";

export interface PoolPlan {
  /** Sizes of the buffers. */
  readonly bufferBytes: readonly number[];
  /** Tensor (alias roots only) → buffer. */
  readonly bufferOf: ReadonlyMap<string, number>;
}

interface Life {
  readonly name: string;
  readonly bytes: number;
  readonly first: number;
  last: number;
}

/**
 * @param inputs written before the first dispatch
 * @param outputs read after the last
 */
export function planPool(lowered: Lowered, inputs: readonly string[], outputs: readonly string[]): PoolPlan {
  const lives = new Map<string, Life>();
  const touch = (name: string, step: number): void => {
    const life = lives.get(name);
    if (life === undefined) {
      const bytes = lowered.bytes.get(name);
      invariant(bytes !== undefined, `no size for tensor "${name}"`);
      lives.set(name, { name, bytes, first: step, last: step });
    } else {
      life.last = Math.max(life.last, step);
    }
  };
  for (const name of inputs) touch(name, -1);
  lowered.steps.forEach((step, i) => {
    for (const input of [...step.inputs, ...(step.residual === undefined ? [] : [step.residual])])
      if (input.kind === "tensor") touch(input.name, i);
    touch(step.output, i);
  });
  for (const name of outputs) {
    const root = lowered.aliases.get(name) ?? name;
    if (lives.has(root) || lowered.bytes.has(root)) touch(root, lowered.steps.length);
  }

  const buffers: { readonly bytes: number; readonly users: Life[] }[] = [];
  const bufferOf = new Map<string, number>();
  for (const life of [...lives.values()].sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    // Sizes fall, so every buffer is large enough; the smallest free one wastes least.
    let best = -1;
    buffers.forEach((buffer, i) => {
      const free = buffer.users.every((other) => other.last < life.first || life.last < other.first);
      if (free && (best < 0 || buffer.bytes < buffers[best]!.bytes)) best = i;
    });
    if (best < 0) best = buffers.push({ bytes: life.bytes, users: [] }) - 1;
    buffers[best]!.users.push(life);
    bufferOf.set(life.name, best);
  }
  return { bufferBytes: buffers.map((buffer) => buffer.bytes), bufferOf };
}
