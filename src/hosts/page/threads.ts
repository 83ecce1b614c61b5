/** Threads in a page: workers below the worker that measures. */
import type { ThreadHost } from "../../engines/engine.ts";
import { THREAD_READY } from "../../engines/wasm/threads/worker.ts";

export function pageThreads(): ThreadHost {
  return {
    available: navigator.hardwareConcurrency,
    start: (data, onEnd) =>
      new Promise((resolve, reject) => {
        const worker = new Worker("thread.js", { type: "module", name: "slimbench thread" });
        let running = false;
        worker.onerror = ({ message }) => {
          if (running) onEnd(message);
          else reject(new Error(`a thread did not start: ${message}`));
        };
        worker.onmessage = ({ data: said }) => {
          if (said !== THREAD_READY) return;
          running = true;
          resolve({ terminate: () => worker.terminate() });
        };
        worker.postMessage(data);
      }),
  };
}
