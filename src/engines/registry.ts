/** Engine name → implementation. Each is imported only when asked for, so that `bench --help` loads none. */
import { UnavailableError } from "../errors.ts";
import type { Engine } from "./engine.ts";

const LOADERS: Readonly<Record<string, () => Promise<Engine>>> = {
  cpu: async () => (await import("./cpu/index.ts")).cpuEngine,
  wasm: async () => (await import("./wasm/index.ts")).wasmEngine,
  webgpu: async () => (await import("./webgpu/index.ts")).webgpuEngine,
  webgl: async () => (await import("./gpujs/index.ts")).webglEngine,
  "gpujs-cpu": async () => (await import("./gpujs/index.ts")).gpuJsCpuEngine,
};

/** Names of the engines that this version can run. */
export const ENGINE_NAMES: readonly string[] = Object.keys(LOADERS);

/** Those that only a browser can run. */
export const BROWSER_ENGINES: readonly string[] = ["webgl"];

/** Those that only Node can run: gpu.js's CPU mode (2.24, 2026-11-24) does not translate the kernels as a bundle holds them. */
export const NODE_ENGINES: readonly string[] = ["gpujs-cpu"];

/** @throws UnavailableError when this version has no such engine */
export async function loadEngine(name: string): Promise<Engine> {
  const load = Object.hasOwn(LOADERS, name) ? LOADERS[name] : undefined;
  if (load === undefined) {
    throw new UnavailableError("not-implemented", `engine ${name}: is not part of this version`, `Use one of ${ENGINE_NAMES.join(", ")}`);
  }
  return load();
}
