/**
 * Turns a module that imports plain memory into one that imports shared memory, by rewriting the limits in its import section: that is
 * all in which the compiler's two outputs differ, since kernels use no atomics. So every module is built, shipped and named once.
 * Format: WebAssembly core specification, binary format, sections 5.3.7 (limits) and 5.5.5 (import section).
 */
import { invariant } from "../../../errors.ts";

const IMPORT_SECTION = 2;
const MEMORY_KIND = 2;
const HEADER_BYTES = 8;
/** Limits with a maximum, shared. */
const SHARED = 3;
/** 4 GiB: a module accepts any memory with a lower maximum. */
const MAX_PAGES = 65536;

/**
 * @param bytes a module whose import section holds nothing but one memory
 */
export function importSharedMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let at = HEADER_BYTES;
  while (at < bytes.length) {
    const id = bytes[at]!;
    const [size, body] = readLeb(bytes, at + 1);
    if (id === IMPORT_SECTION) {
      const section = sharedImport(bytes.subarray(body, body + size));
      return concat([bytes.subarray(0, at), [id, ...leb(section.length)], section, bytes.subarray(body + size)]);
    }
    at = body + size;
  }
  invariant(false, "a kernel module without imports");
}

/** One import: module name, field name, kind, limits. */
function sharedImport(section: Uint8Array): Uint8Array {
  const [count, first] = readLeb(section, 0);
  invariant(count === 1, `a kernel module imports its memory only, got ${count} imports`);
  const kindAt = skipName(section, skipName(section, first));
  invariant(section[kindAt] === MEMORY_KIND, "a kernel module imports something else than a memory");
  const [, minimumAt] = readLeb(section, kindAt + 1);
  const [minimum] = readLeb(section, minimumAt);
  return concat([section.subarray(0, kindAt + 1), [SHARED, ...leb(minimum), ...leb(MAX_PAGES)]]);
}

function skipName(bytes: Uint8Array, at: number): number {
  const [length, text] = readLeb(bytes, at);
  return text + length;
}

/** Unsigned LEB128: the value and where it ends. */
function readLeb(bytes: Uint8Array, at: number): readonly [number, number] {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!;
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return [value, at];
  }
}

function leb(value: number): readonly number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(Math.floor(value / 128))];
}

function concat(parts: readonly ArrayLike<number>[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
