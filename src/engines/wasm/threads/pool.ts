/**
 * The main thread's side of a session's threads: starts them, opens groups, takes part in them, and waits for the rest: it spins, then
 * sleeps where it may (not on a browser's main thread), then lets the event loop run, since only there can it learn that a thread has died.
 */
import { SlimbenchError, UnavailableError } from "../../../errors.ts";
import type { Thread, ThreadHost } from "../../engine.ts";
import type { WasmMemory, WasmModule } from "../api.ts";
import type { KernelCall } from "../program.ts";
import type { BoundGroup, CallGroup } from "./control.ts";
import { DONE, FAILED, MAIN_SLEEPS, RUNNING, STOP, bindGroups, closeAll, controlBytes, open, pause, wake, work } from "./control.ts";
import type { SpinLimits, ThreadStart } from "./worker.ts";

/**
 * How long a thread spins before it sleeps. Within an inference, longer than the copies of inputs and the layers that one thread runs alone:
 * to wake a thread takes tens of microseconds, about what a layer of a small net takes.
 */
const SPIN: SpinLimits = { running: 0.5, idle: 0.05 };
/** How long the main thread spins for others to finish: beyond, one of them has probably lost its core. */
const MAIN_SPIN_MS = 0.1;
/** How long it blocks before it lets the event loop run. */
const MAIN_BLOCK_MS = 20;
const ROUNDS = 32;

export interface PoolPlan {
  readonly modules: readonly WasmModule[];
  readonly memory: WasmMemory;
  readonly groups: readonly CallGroup[];
  /** With the main one; at least 2. */
  readonly threads: number;
}

export class ThreadPool {
  readonly #control: Int32Array;
  readonly #groups: readonly BoundGroup[];
  readonly #now: () => number;
  readonly #threads: Thread[] = [];
  readonly #mayBlock: boolean;
  #target = 0;
  #failure: SlimbenchError | undefined;
  #isOver = false;

  /** @throws UnavailableError when the host cannot start a thread */
  static async start(host: ThreadHost, plan: PoolPlan, now: () => number, bind: (call: KernelCall) => () => void): Promise<ThreadPool> {
    const { modules, memory, groups, threads } = plan;
    const control = new SharedArrayBuffer(controlBytes(groups.length, threads));
    const pool = new ThreadPool(new Int32Array(control), bindGroups(groups, threads, bind), now);
    const common = { modules, memory, control, groups, threads, spin: SPIN };
    try {
      await Promise.all(
        Array.from({ length: threads - 1 }, async (_, i) => {
          const self = i + 1;
          const data: ThreadStart = { ...common, self };
          const thread = await host.start(data, (reason) => pool.#fail(`thread ${self} of ${threads} ended: ${reason}`));
          // One that comes late to a pool that is over already.
          if (pool.#isOver) thread.terminate();
          else pool.#threads.push(thread);
        }),
      );
    } catch (cause) {
      pool.dispose();
      const what = cause instanceof Error ? cause.message : String(cause);
      throw new UnavailableError("threads-failed", `target wasm: a thread does not start: ${what}`, "Use threads=1.", cause);
    }
    return pool;
  }

  private constructor(control: Int32Array, groups: readonly BoundGroup[], now: () => number) {
    this.#control = control;
    this.#groups = groups;
    this.#now = now;
    this.#mayBlock = mayBlock(control);
    closeAll(control, groups);
  }

  /**
   * An inference begins: sleeping threads wake up while its inputs are copied.
   * @throws SlimbenchError when a thread has failed
   */
  begin(): void {
    this.#check();
    Atomics.store(this.#control, RUNNING, 1);
    wake(this.#control);
  }

  end(): void {
    Atomics.store(this.#control, RUNNING, 0);
  }

  /**
   * Runs group `index` on all threads.
   * @returns undefined when it is done; a promise when others have not finished in time, rejected when one of them has died
   */
  run(index: number): Promise<void> | undefined {
    const control = this.#control;
    const group = this.#groups[index]!;
    this.#target = (this.#target + group.calls.length) | 0;
    open(control, group, index);
    try {
      work(control, group, 0);
    } catch (error) {
      // The count of calls is wrong from here on.
      this.#fail(`thread 0 failed: ${String(error)}`);
      throw error;
    }
    if (Atomics.load(control, DONE) === this.#target || this.#wait()) return undefined;
    return this.#waitForEvents();
  }

  dispose(): void {
    this.#isOver = true;
    Atomics.store(this.#control, STOP, 1);
    wake(this.#control);
    for (const thread of this.#threads.splice(0)) thread.terminate();
  }

  /** Whether the group got done. */
  #wait(): boolean {
    const control = this.#control;
    const target = this.#target;
    const start = this.#now();
    do {
      for (let i = 0; i < ROUNDS; i++) {
        if (Atomics.load(control, DONE) === target) return true;
        pause();
      }
    } while (this.#now() < start + MAIN_SPIN_MS);
    Atomics.store(control, MAIN_SLEEPS, 1);
    let done = Atomics.load(control, DONE);
    while (done !== target && Atomics.load(control, FAILED) === 0 && this.#now() < start + MAIN_BLOCK_MS) {
      if (this.#mayBlock) Atomics.wait(control, DONE, done, 1);
      else pause();
      done = Atomics.load(control, DONE);
    }
    Atomics.store(control, MAIN_SLEEPS, 0);
    return done === target;
  }

  async #waitForEvents(): Promise<void> {
    while (Atomics.load(this.#control, DONE) !== this.#target) {
      this.#check();
      if (this.#isOver) throw new SlimbenchError("disposed", "target wasm: the session was disposed of during a run", { exitCode: 4 });
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(reason: string): void {
    if (this.#isOver) return;
    this.#failure ??= new SlimbenchError("thread-failed", `target wasm: ${reason}`, {
      remedy: "Compile the model again, or use threads=1.",
      exitCode: 4,
    });
  }
}

/** A browser's main thread may not: `wait` throws there, whatever the value. */
function mayBlock(control: Int32Array): boolean {
  try {
    Atomics.wait(control, DONE, 0, 0);
    return true;
  } catch {
    return false;
  }
}
