/** Threads in Node: worker threads that run the built entry, found by the same relative path from `src/hosts/` and from `dist/hosts/`. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { ThreadHost } from "../engines/engine.ts";
import { THREAD_READY } from "../engines/wasm/threads/worker.ts";

const ENTRY = new URL("../../dist/hosts/node-thread.js", import.meta.url);

/** @param entry another script in place of ours: tests use it to die on purpose */
export function nodeThreads(entry: URL = ENTRY): ThreadHost {
  return {
    available: availableParallelism(),
    start: (data, onEnd) =>
      new Promise((resolve, reject) => {
        // Without this process's own flags: they may load a compiler that the entry does not need.
        const worker = new Worker(entry, { workerData: data, execArgv: [] });
        let state: "starting" | "running" | "over" = "starting";
        const end = (reason: string): void => {
          if (state === "starting") reject(new Error(reason));
          else if (state === "running") onEnd(reason);
          state = "over";
        };
        worker.on("error", (error) => end(String(error)));
        worker.on("exit", (code) => end(`exit code ${code}`));
        worker.once("message", (message) => {
          if (message !== THREAD_READY || state !== "starting") return;
          state = "running";
          // From here on it may wait without end, which must not keep the process alive.
          worker.unref();
          resolve({
            terminate: () => {
              state = "over";
              void worker.terminate();
            },
          });
        });
      }),
  };
}
