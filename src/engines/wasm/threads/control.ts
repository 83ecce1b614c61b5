/**
 * What the threads of a session say to each other: 32-bit words in a shared array, read and written atomically. The main thread opens one
 * group of calls at a time; every thread, the main one too, then claims calls of it until none is left: first from its own contiguous
 * share, so that a thread keeps working on the rows that it has in its caches, then from shares that others have not finished. So a
 * thread that sleeps, starts late or has lost its core delays nothing but the one call that it has begun.
 *
 * Claims need no generation numbers: a group's counters stand at their ends unless the main thread has opened it, and it opens the next
 * only after every claimed call is done. A thread that wakes up with an old group in mind finds it closed, or open again with the same calls.
 */
import type { KernelCall } from "../program.ts";

/** Words of a cache line: what different threads write lies on different ones. */
const LINE = 16;

/** Counts opened groups; threads spin and sleep on it. */
export const SEQUENCE = 0;
/** The group opened last. */
export const GROUP = 1;
/** Not 0: threads shall end. */
export const STOP = 2;
/** Not 0: an inference is under way, so the next group is not far. */
export const RUNNING = 3;
/** Threads asleep, or about to be. */
export const SLEEPERS = LINE;
/** Calls done, ever; wraps around. */
export const DONE = 2 * LINE;
/** Not 0: the main thread sleeps on DONE. */
export const MAIN_SLEEPS = 3 * LINE;
/** Not 0: a thread has failed. */
export const FAILED = 3 * LINE + 1;
const COUNTERS = 4 * LINE;

/** A call split into calls that may run at the same time. */
export type CallGroup = readonly KernelCall[];

/** A group as one thread sees it. */
export interface BoundGroup {
  readonly calls: readonly (() => void)[];
  /** First call of each thread's share, and the end. */
  readonly shares: readonly number[];
  /** Word of the first share's counter; others follow, a line apart. */
  readonly counter: number;
}

/** Bytes for `groups` groups. */
export function controlBytes(groups: number, threads: number): number {
  return (COUNTERS + groups * threads * LINE) * 4;
}

/** @param bind makes a call callable */
export function bindGroups(groups: readonly CallGroup[], threads: number, bind: (call: KernelCall) => () => void): readonly BoundGroup[] {
  return groups.map((calls, g) => ({
    calls: calls.map(bind),
    shares: Array.from({ length: threads + 1 }, (_, t) => Math.floor((t * calls.length) / threads)),
    counter: COUNTERS + g * threads * LINE,
  }));
}

/** Every group closed. */
export function closeAll(control: Int32Array, groups: readonly BoundGroup[]): void {
  for (const { shares, counter } of groups) {
    for (let t = 0; t + 1 < shares.length; t++) control[counter + t * LINE] = shares[t + 1]! - shares[t]!;
  }
}

/** Lets every thread claim from group `index`. All earlier writes of this thread are visible to who claims. */
export function open(control: Int32Array, { shares, counter }: BoundGroup, index: number): void {
  for (let t = 0; t + 1 < shares.length; t++) Atomics.store(control, counter + t * LINE, 0);
  Atomics.store(control, GROUP, index);
  wake(control);
}

/** Something has changed: threads that spin see it, sleeping ones are woken. */
export function wake(control: Int32Array): void {
  Atomics.add(control, SEQUENCE, 1);
  if (Atomics.load(control, SLEEPERS) > 0) Atomics.notify(control, SEQUENCE);
}

/** Claims and makes calls until none is left. */
export function work(control: Int32Array, { calls, shares, counter }: BoundGroup, self: number): void {
  const threads = shares.length - 1;
  for (let i = 0; i < threads; i++) {
    const share = self + i < threads ? self + i : self + i - threads;
    const first = shares[share]!;
    const size = shares[share + 1]! - first;
    const at = counter + share * LINE;
    for (let next = Atomics.load(control, at); next < size; next = Atomics.load(control, at)) {
      if (Atomics.compareExchange(control, at, next, next + 1) !== next) continue;
      calls[first + next]!();
      Atomics.add(control, DONE, 1);
      if (Atomics.load(control, MAIN_SLEEPS) !== 0) Atomics.notify(control, DONE);
    }
  }
}

/** Node 20 has no `Atomics.pause`; there, a chain of divisions keeps a waiting thread from taking issue slots of a sibling on its core. */
const pauseInstruction = (Atomics as unknown as { readonly pause?: () => void }).pause?.bind(Atomics);
let chain = 1;

export function pause(): void {
  if (pauseInstruction !== undefined) pauseInstruction();
  else chain = 1 / (1 / (1 / (1 / (chain + 1.5) + 1.5) + 1.5) + 1.5);
}
