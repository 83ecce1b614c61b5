/**
 * Vitest global setup: puts the environment that WebGPU tests need (SwiftShader where there is no GPU) into the main process before it
 * forks workers. The dynamic linker reads LD_LIBRARY_PATH at the start of a process only, so `test.env` would be too late.
 */
import { gpuEnvironment } from "../../src/hosts/gpu.ts";

export default async function setup(): Promise<void> {
  const gpu = await gpuEnvironment();
  if ("env" in gpu) Object.assign(process.env, gpu.env);
}
