/** The part of the WebAssembly interface that we use: TypeScript declares it only with the whole DOM, which a Node tool must not see. */

export interface WasmMemory {
  /** Replaced by `grow`; older views are then detached (own memory) or too short (shared memory). */
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  grow(pages: number): number;
}

/** Opaque. */
export interface WasmModule {
  readonly brand?: "WebAssembly.Module";
}

/** Sizes in pages; shared memory must say its maximum. */
type MemoryDescriptor = { readonly initial: number } | { readonly initial: number; readonly maximum: number; readonly shared: true };

interface WebAssemblyApi {
  readonly Memory: new (descriptor: MemoryDescriptor) => WasmMemory;
  readonly Instance: new (
    module: WasmModule,
    imports?: { readonly env: { readonly memory: WasmMemory } },
  ) => { readonly exports: Readonly<Record<string, unknown>> };
  validate(bytes: Uint8Array): boolean;
  compile(bytes: Uint8Array): Promise<WasmModule>;
}

/** Undefined in a host without WebAssembly. */
export const webAssembly: WebAssemblyApi | undefined = (globalThis as unknown as { readonly WebAssembly?: WebAssemblyApi }).WebAssembly;
