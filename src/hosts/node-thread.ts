/** Entry point of a worker thread (node-threads.ts): serves one session of the WASM engine until it is disposed of. */
import { parentPort, workerData } from "node:worker_threads";
import { THREAD_READY, serveThread } from "../engines/wasm/threads/worker.ts";
import type { ThreadStart } from "../engines/wasm/threads/worker.ts";

serveThread(
  workerData as ThreadStart,
  () => performance.now(),
  () => parentPort?.postMessage(THREAD_READY),
);
