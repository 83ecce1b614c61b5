/**
 * What a thread does: instantiates the kernels over the shared memory, then waits for groups to work on until it is told to stop. Runs
 * wherever the host starts it (a Node worker thread, a Web Worker) and blocks it: messages do not reach it any more.
 */
import type { WasmMemory, WasmModule } from "../api.ts";
import { KernelSet, bindCall } from "../module.ts";
import type { CallGroup } from "./control.ts";
import { FAILED, GROUP, RUNNING, SEQUENCE, SLEEPERS, DONE, STOP, bindGroups, pause, work } from "./control.ts";

/** The message by which a thread says that it is ready. */
export const THREAD_READY = "ready";

/** What a thread needs to begin; survives a structured clone. */
export interface ThreadStart {
  readonly modules: readonly WasmModule[];
  readonly memory: WasmMemory;
  readonly control: SharedArrayBuffer;
  readonly groups: readonly CallGroup[];
  readonly threads: number;
  /** Which thread this is, from 1: 0 is the main one. */
  readonly self: number;
  readonly spin: SpinLimits;
}

/** Milliseconds for which a thread spins before it sleeps. */
export interface SpinLimits {
  /** Within an inference. */
  readonly running: number;
  /** Between inferences. */
  readonly idle: number;
}

/** Looks at the clock once in this many rounds, since a look costs as much as several. */
const ROUNDS = 32;

/**
 * @param ready called once, before the first wait
 * @returns when the session is disposed of
 */
export function serveThread(start: ThreadStart, now: () => number, ready: () => void): void {
  const control = new Int32Array(start.control);
  const kernels = new KernelSet(start.modules, start.memory);
  const groups = bindGroups(start.groups, start.threads, (call) => bindCall(kernels, call));
  let seen = Atomics.load(control, SEQUENCE);
  ready();
  try {
    while (Atomics.load(control, STOP) === 0) {
      const sequence = waitForChange(control, seen, start.spin, now);
      if (sequence === seen) continue;
      seen = sequence;
      const group = groups[Atomics.load(control, GROUP)];
      if (group !== undefined) work(control, group, start.self);
    }
  } catch (error) {
    Atomics.store(control, FAILED, 1);
    Atomics.notify(control, DONE);
    throw error;
  }
}

/** Spins for a while, then sleeps. Returns the new value of SEQUENCE, or `seen` after a stray wake-up. */
function waitForChange(control: Int32Array, seen: number, spin: SpinLimits, now: () => number): number {
  const start = now();
  do {
    for (let i = 0; i < ROUNDS; i++) {
      const sequence = Atomics.load(control, SEQUENCE);
      if (sequence !== seen) return sequence;
      pause();
    }
  } while (now() < start + (Atomics.load(control, RUNNING) === 0 ? spin.idle : spin.running));
  // Announced before it sleeps: a change after this line either is seen by `wait` itself or finds a sleeper to wake.
  Atomics.add(control, SLEEPERS, 1);
  Atomics.wait(control, SEQUENCE, seen);
  Atomics.sub(control, SLEEPERS, 1);
  return Atomics.load(control, SEQUENCE);
}
