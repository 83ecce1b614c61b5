/** Bounds of engines that run on the processor: loops timed by the host's clock, and copying within its caches. */
import type { Peak } from "./engine.ts";

export interface Loop extends Pick<Peak, "type" | "name" | "operations"> {
  /** @returns what the compiler must not leave out */
  readonly run: () => number;
}

export function timedLoop({ run, ...peak }: Loop, now: () => number): Peak {
  return {
    ...peak,
    ms: () => {
      const start = now();
      run();
      return now() - start;
    },
  };
}

/** Half of it read, half written: stays in the second cache level, where the tensors of small models live. */
const COPY_BYTES = 2 ** 18;
const COPIES = 32;

/** @param threads each with caches of its own */
export function copyLoop(threads: number): Loop {
  const from = new Float64Array(COPY_BYTES / 16).fill(1);
  const to = new Float64Array(from.length);
  return {
    type: "copy",
    name: `copy within ${COPY_BYTES / 1024} KiB`,
    operations: COPY_BYTES * COPIES * threads,
    run: () => {
      for (let i = 0; i < COPIES; i++) to.set(from);
      return to[0]!;
    },
  };
}
