/** Entry point of the fresh process that each record gets: answers commands over the IPC channel, one at a time, until it closes. */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { memoryUsage, resourceUsage } from "node:process";
import { setFlagsFromString } from "node:v8";
import type { EngineContext } from "../engines/engine.ts";
import { Agent } from "./agent.ts";
import type { MemoryResult, Reply, Request } from "./protocol.ts";
import { CLOSE, toWireError } from "./protocol.ts";
import { nodeThreads } from "./node-threads.ts";
import { nodeTuningStore } from "./tuning-store.ts";

const PACKAGE_ROOT = new URL("../../", import.meta.url);

let current = 0;

const agent = new Agent({
  context: openContext,
  readFile,
  readDataset: async (path) => (await import("../data/index.ts")).readDataset(path),
  memory: () => Promise.resolve(readMemory()),
  tuningStore: nodeTuningStore,
  // Unknown flags are ignored. Node 20.20, 13 other processes busy: best code from the second call on, where it took 300 before (2026-11-24).
  skipBaseline: () => setFlagsFromString("--no-liftoff"),
  flags: process.execArgv,
  progress: (progress) => send({ id: current, type: "progress", progress }),
  breathe: () => new Promise((resolve) => setImmediate(resolve)),
});

async function openContext(withGpu: boolean): Promise<EngineContext> {
  const base: EngineContext = {
    readAsset: (path) => readFile(new URL(path, PACKAGE_ROOT)),
    now: () => performance.now(),
    threads: nodeThreads(),
  };
  if (!withGpu) return base;
  const { openNodeGpu } = await import("./gpu.ts");
  return { ...base, gpu: await openNodeGpu() };
}

function readMemory(): Omit<MemoryResult, "session"> {
  globalThis.gc?.();
  return { jsHeapBytes: memoryUsage().heapUsed, rssPeakBytes: peakResidentBytes() };
}

/**
 * On Linux the kernel keeps `ru_maxrss` across exec, so a small child of a large parent would report the parent's peak; VmHWM
 * belongs to this program alone.
 */
function peakResidentBytes(): number {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
    if (match?.[1] !== undefined) return Number(match[1]) * 1024;
  } catch {
    // No procfs: another system.
  }
  return resourceUsage().maxRSS * 1024;
}

function send(reply: Reply): void {
  if (process.connected) process.send?.(reply);
}

async function answer(request: Request): Promise<void> {
  current = request.id;
  try {
    send({ id: request.id, type: "result", result: await agent.handle(request.kind, request.args) });
  } catch (error) {
    send({ id: request.id, type: "error", error: toWireError(error) });
  }
}

let queue = Promise.resolve();
process.on("message", (request) => {
  if (request === CLOSE) leave();
  queue = queue.then(() => answer(request as Request));
});
// The parent decides what an interrupt means; a terminal sends it to the whole process group.
process.on("SIGINT", () => undefined);
// The parent is gone.
process.on("disconnect", leave);

function leave(): never {
  agent.dispose();
  process.exit(0);
}
