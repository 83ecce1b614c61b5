/**
 * Loads compiled kernels: a list of modules (the base one, and what this machine offers beyond it), compiled once a host, instantiated
 * together over one memory. Modules hold code only, no static data, so any number of them shares a memory without getting in each other's way.
 */
import { UnavailableError, invariant } from "../../errors.ts";
import type { EngineContext } from "../engine.ts";
import { webAssembly } from "./api.ts";
import type { WasmMemory, WasmModule } from "./api.ts";
import type { MemoryKind } from "./memory.ts";
import type { KernelCall } from "./program.ts";
import { importSharedMemory } from "./threads/shared-import.ts";

/** Kernels for plain SIMD. */
export const MODULE_PATH = "build/wasm/kernels.wasm";
/** What is loaded beside them where the host's relaxed SIMD is of use. */
export const RELAXED_MODULE_PATH = "build/wasm/relaxed.wasm";
/** Kernels without vector instructions: loaded alone, or beside the others for layers that only these compute. */
export const SCALAR_MODULE_PATH = "build/wasm/scalar.wasm";

/** Every kernel takes integers only: addresses, counts, codes. */
export type Kernel = (...args: number[]) => undefined;

const compiled = new WeakMap<EngineContext["readAsset"], Map<string, Promise<WasmModule>>>();

/**
 * @param paths of modules, from the package root; their exports must not repeat
 * @throws UnavailableError when the kernels are not built or not readable
 */
export function loadModules(
  context: EngineContext,
  paths: readonly string[] = [MODULE_PATH],
  memory: MemoryKind = "own",
): Promise<readonly WasmModule[]> {
  return Promise.all(paths.map((path) => loadModule(context, path, memory)));
}

function loadModule(context: EngineContext, path: string, memory: MemoryKind): Promise<WasmModule> {
  let modules = compiled.get(context.readAsset);
  if (modules === undefined) {
    modules = new Map<string, Promise<WasmModule>>();
    compiled.set(context.readAsset, modules);
  }
  const key = `${memory} ${path}`;
  let module = modules.get(key);
  if (module === undefined) {
    module = compile(context, path, memory);
    modules.set(key, module);
    module.catch(() => modules.delete(key));
  }
  return module;
}

async function compile(context: EngineContext, path: string, memory: MemoryKind): Promise<WasmModule> {
  let bytes: Uint8Array;
  try {
    bytes = await context.readAsset(path);
  } catch (cause) {
    throw new UnavailableError("wasm-not-built", `target wasm: cannot read ${path}`, "Run npm run build.", cause);
  }
  invariant(webAssembly !== undefined, "kernels asked for where there is no WebAssembly");
  return webAssembly.compile(memory === "shared" ? importSharedMemory(bytes) : bytes);
}

/** Instances over one memory, looked up by name. */
export class KernelSet {
  readonly #kernels = new Map<string, Kernel>();
  /** First byte that the modules themselves do not use. */
  readonly heapBase: number;

  constructor(modules: readonly WasmModule[], memory: WasmMemory) {
    invariant(webAssembly !== undefined, "kernels asked for where there is no WebAssembly");
    let heapBase = 0;
    for (const module of modules) {
      const { exports } = new webAssembly.Instance(module, { env: { memory } });
      for (const [name, value] of Object.entries(exports)) {
        invariant(typeof value === "function", `export "${name}" is not a function`);
        if (name === "heap_base") heapBase = Math.max(heapBase, (value as () => number)());
        else {
          invariant(!this.#kernels.has(name), `kernel "${name}" is in two modules`);
          this.#kernels.set(name, value as Kernel);
        }
      }
    }
    this.heapBase = heapBase;
  }

  /** Names of all kernels. */
  get names(): readonly string[] {
    return [...this.#kernels.keys()];
  }

  get(name: string): Kernel {
    const kernel = this.#kernels.get(name);
    invariant(kernel !== undefined, `kernel "${name}" is in none of the loaded modules`);
    return kernel;
  }
}

/** Bound once, so that a call costs no argument array. */
export function bindCall(kernels: KernelSet, { kernel, args }: KernelCall): () => undefined {
  return kernels.get(kernel).bind(undefined, ...args);
}
