/** gpu.js's CPU mode: each kernel is a loop that gpu.js writes and JavaScript runs, in doubles, rounded once on the store. */
import { invariant } from "../../errors.ts";
import type { Backend, CompiledCall, Storage } from "./backend.ts";
import { kernelSettings, kernelText } from "./kernel-text.ts";
import { HELPERS } from "./kernels/helpers.ts";
import type { CompiledKernel, GpuInstance, GpuJs } from "./library.ts";
import type { Call } from "./lower/context.ts";

interface ArrayStorage extends Storage {
  data: Float32Array;
}

export class CpuBackend implements Backend<ArrayStorage> {
  readonly #gpu: GpuInstance;
  readonly #kernels: CompiledKernel[] = [];

  constructor({ GPU }: GpuJs) {
    this.#gpu = new GPU({ mode: "cpu" });
    for (const { plain, argumentTypes, returnType } of HELPERS) this.#gpu.addFunction(plain.toString(), { argumentTypes, returnType });
  }

  upload(data: Float32Array): ArrayStorage {
    return { elements: data.length, data };
  }

  allocate(elements: number): ArrayStorage {
    return { elements, data: new Float32Array(elements) };
  }

  write(storage: ArrayStorage, data: Float32Array): void {
    storage.data.set(data);
  }

  compile(call: Call, inputs: readonly ArrayStorage[]): CompiledCall<ArrayStorage> {
    invariant(!call.texels, `kernel ${call.kernel} on the CPU`);
    const kernel = this.#gpu.createKernel(kernelText(call), kernelSettings(call, call.elements));
    this.#kernels.push(kernel);
    const output = this.allocate(call.elements);
    const run = (): void => {
      const data = kernel(...inputs.map((input) => input.data), ...call.numbers);
      invariant(data instanceof Float32Array && data.length === call.elements, `kernel ${call.kernel} gave no array of ${call.elements}`);
      output.data = data;
    };
    // The first call translates.
    run();
    return { output, run };
  }

  read(storage: ArrayStorage): Float32Array {
    return storage.data.slice();
  }

  settle(): void {
    // Calls are done when they return.
  }

  bytesOf(storage: ArrayStorage): number {
    return storage.data.byteLength;
  }

  assertUsable(): void {
    // Ordinary memory is never lost.
  }

  dispose(): void {
    for (const kernel of this.#kernels.splice(0)) kernel.destroy();
  }
}
