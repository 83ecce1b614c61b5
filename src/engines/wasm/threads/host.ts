/** Whether this host can run the engine on several threads. */
import { UnavailableError } from "../../../errors.ts";
import type { EngineContext, ThreadHost } from "../../engine.ts";

/** @throws UnavailableError where memory cannot be shared or threads cannot be started */
export function requireThreads(context: EngineContext): ThreadHost {
  // Undefined outside of browsers.
  const { crossOriginIsolated } = globalThis as unknown as { readonly crossOriginIsolated?: boolean };
  if (crossOriginIsolated === false || typeof SharedArrayBuffer === "undefined") {
    throw new UnavailableError(
      "not-isolated",
      "target wasm: threads share memory, which this page may not, got a page that is not cross-origin isolated",
      "Serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or use threads=1.",
    );
  }
  if (context.threads === undefined) {
    throw new UnavailableError("no-threads", "target wasm: this host starts no threads", "Use threads=1.");
  }
  return context.threads;
}
