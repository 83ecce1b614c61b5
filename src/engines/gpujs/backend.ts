/** What a session needs of the place where kernels run: memory, kernels, and how results come back. */
import type { Call } from "./lower/context.ts";

/** A tensor where kernels see it. */
export interface Storage {
  readonly elements: number;
}

export interface CompiledCall<S extends Storage> {
  readonly output: S;
  readonly run: () => void;
}

export interface Backend<S extends Storage> {
  /** @returns storage with the data, which stays until `dispose` */
  upload(data: Float32Array): S;
  /** Storage that `write` fills before each inference. */
  allocate(elements: number): S;
  write(storage: S, data: Float32Array): void;
  /** Compiles the kernel and makes room for its output. */
  compile(call: Call, inputs: readonly S[]): CompiledCall<S>;
  read(storage: S): Float32Array;
  /** Waits until what was started is done. @param last output of the last call */
  settle(last: S): void;
  bytesOf(storage: S): number;
  /** @throws when results cannot be trusted any more */
  assertUsable(): void;
  dispose(): void;
}
