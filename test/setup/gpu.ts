/**
 * Vitest global setup: puts the environment that WebGPU tests need (SwiftShader where there is no GPU) into the main process before it
 * forks workers. The dynamic linker reads LD_LIBRARY_PATH at the start of a process only, so `test.env` would be too late. What the variables
 * were before goes along, for tests that start a browser (own-driver.ts).
 */
import { gpuEnvironment } from "../../src/hosts/gpu.ts";

/** Holds JSON: variables and their values before, null where there was none. */
export const BEFORE = "SLIMBENCH_TEST_DRIVER_BEFORE";

export default async function setup(): Promise<void> {
  const gpu = await gpuEnvironment();
  if (!("env" in gpu)) return;
  const before = Object.fromEntries(Object.keys(gpu.env).map((name) => [name, process.env[name] ?? null]));
  Object.assign(process.env, gpu.env, { [BEFORE]: JSON.stringify(before) });
}
