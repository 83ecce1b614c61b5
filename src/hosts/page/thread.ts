/** A thread of the WASM engine in a page: a worker started by the measuring worker (threads.ts). */
import { THREAD_READY, serveThread } from "../../engines/wasm/threads/worker.ts";
import type { ThreadStart } from "../../engines/wasm/threads/worker.ts";

interface WorkerScope {
  onmessage: ((event: MessageEvent<ThreadStart>) => void) | null;
  postMessage(message: string): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data }) =>
  serveThread(
    data,
    () => performance.now(),
    () => scope.postMessage(THREAD_READY),
  );
