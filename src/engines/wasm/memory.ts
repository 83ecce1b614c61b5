/**
 * The linear memory of one session: [module statics][arena][constants …][scratch][slack]. The arena comes first, so that tables may hold
 * addresses; constants are appended while nodes are planned; scratch, shared by all nodes, is sized last. Nothing is allocated after that.
 */
import { invariant } from "../../errors.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import { webAssembly } from "./api.ts";
import type { WasmMemory } from "./api.ts";

const PAGE_BYTES = 65536;
/** 4 GiB. Reserved as addresses, not as memory. */
const MAX_PAGES = 65536;
/** Kernels may read this far past any address that they are given. */
const SLACK_BYTES = 256;
const ALIGNMENT = 64;

/** Plain memory, or memory that threads share. WebAssembly tells the two apart by type, so one module cannot take both. */
export type MemoryKind = "own" | "shared";

/** What a constant counts as: packed weights, or tables that describe shapes. */
export type ConstantKind = "weights" | "tables";

export class LinearMemory {
  readonly memory: WasmMemory;
  #end = 0;
  readonly #bytes = { weights: 0, tables: 0 };
  readonly #shared = new Map<string, number>();

  constructor(kind: MemoryKind = "own") {
    invariant(webAssembly !== undefined, "memory asked for where there is no WebAssembly");
    this.memory = new webAssembly.Memory(kind === "own" ? { initial: 1 } : { initial: 1, maximum: MAX_PAGES, shared: true });
  }

  get weightBytes(): number {
    return this.#bytes.weights;
  }

  get tableBytes(): number {
    return this.#bytes.tables;
  }

  /** Zero-filled bytes at an aligned address. */
  reserve(bytes: number): number {
    const address = Math.ceil(this.#end / ALIGNMENT) * ALIGNMENT;
    this.#end = address + bytes;
    const pages = Math.ceil((this.#end + SLACK_BYTES) / PAGE_BYTES) - this.memory.buffer.byteLength / PAGE_BYTES;
    // Throws RangeError beyond 4 GiB; the engine turns it into a message.
    if (pages > 0) this.memory.grow(pages);
    return address;
  }

  /** Copies `data` in. */
  place(kind: ConstantKind, data: TypedArray): number {
    const address = this.reserve(data.byteLength);
    new Uint8Array(this.memory.buffer, address, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.#bytes[kind] += data.byteLength;
    return address;
  }

  /** As `place`, but equal tables are kept once. */
  placeShared(data: TypedArray): number {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key = `${bytes.length}:${fingerprint(bytes)}`;
    const known = this.#shared.get(key);
    if (known !== undefined && equalBytes(new Uint8Array(this.memory.buffer, known, bytes.length), bytes)) return known;
    const address = this.place("tables", data);
    this.#shared.set(key, address);
    return address;
  }
}

/** FNV-1a over 32 bits. */
function fingerprint(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  invariant(a.length === b.length, "comparing byte arrays of different lengths");
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
