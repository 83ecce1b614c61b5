/** Loads build/wasm/kernels.wasm: compiled once a host, instantiated once a session. */
import { UnavailableError, invariant } from "../../errors.ts";
import type { EngineContext } from "../engine.ts";
import { webAssembly } from "./api.ts";
import type { WasmMemory, WasmModule } from "./api.ts";

export const MODULE_PATH = "build/wasm/kernels.wasm";

/** Every kernel takes integers only: addresses, counts, codes. */
export type Kernel = (...args: number[]) => void;

/** `(module (func (drop (i32x4.splat (i32.const 0)))))` */
const SIMD_MODULE = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 17, 26, 11);

export function hasSimd(): boolean {
  return webAssembly?.validate(SIMD_MODULE) === true;
}

const compiled = new WeakMap<EngineContext["readAsset"], Promise<WasmModule>>();

/** @throws UnavailableError when the kernels are not built or not readable */
export function loadModule(context: EngineContext): Promise<WasmModule> {
  let module = compiled.get(context.readAsset);
  if (module === undefined) {
    module = compile(context);
    compiled.set(context.readAsset, module);
    module.catch(() => compiled.delete(context.readAsset));
  }
  return module;
}

async function compile(context: EngineContext): Promise<WasmModule> {
  let bytes: Uint8Array;
  try {
    bytes = await context.readAsset(MODULE_PATH);
  } catch (cause) {
    throw new UnavailableError("wasm-not-built", `target wasm: cannot read ${MODULE_PATH}`, "Run npm run build.", cause);
  }
  invariant(webAssembly !== undefined, "kernels asked for where there is no WebAssembly");
  return webAssembly.compile(bytes);
}

export class KernelSet {
  readonly #exports: Readonly<Record<string, unknown>>;

  constructor(module: WasmModule, memory: WasmMemory) {
    invariant(webAssembly !== undefined, "kernels asked for where there is no WebAssembly");
    this.#exports = new webAssembly.Instance(module, { env: { memory } }).exports;
  }

  /** Names of all exports. */
  get names(): readonly string[] {
    return Object.keys(this.#exports);
  }

  get(name: string): Kernel {
    const kernel = this.#exports[name];
    invariant(typeof kernel === "function", `kernel "${name}" is not in ${MODULE_PATH}`);
    return kernel as Kernel;
  }

  /** First byte that the module itself does not use. */
  get heapBase(): number {
    return Number(this.get("heap_base")());
  }
}
