/** A thread of the WASM engine that behaves as `how` says: once it has claimed a piece, it exits, throws, or takes its time. */
import { parentPort, workerData } from "node:worker_threads";
import process from "node:process";
import { KernelSet, bindCall } from "../../../dist/engines/wasm/module.js";
import { DONE, FAILED, GROUP, SEQUENCE, bindGroups, work } from "../../../dist/engines/wasm/threads/control.js";
import { THREAD_READY } from "../../../dist/engines/wasm/threads/worker.js";

const { how, modules, memory, groups, threads, self } = workerData;
const control = new Int32Array(workerData.control);
const kernels = new KernelSet(modules, memory);
const ACTIONS = {
  exit: () => process.exit(7),
  throw: () => {
    Atomics.store(control, FAILED, 1);
    Atomics.notify(control, DONE);
    throw new Error("out of order");
  },
  // Longer than the main thread blocks.
  slow: (call) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
    call();
  },
};
const bound = bindGroups(groups, threads, (call) => {
  const kernel = bindCall(kernels, call);
  return () => ACTIONS[how](kernel);
});
let seen = 0;
parentPort.postMessage(THREAD_READY);
for (;;) {
  Atomics.wait(control, SEQUENCE, seen, 1);
  if (Atomics.load(control, SEQUENCE) === seen) continue;
  seen = Atomics.load(control, SEQUENCE);
  work(control, bound[Atomics.load(control, GROUP)], self);
}
