/**
 * Messages as bytes, for carriers without structured cloning (a WebSocket): [header length, u32 little endian][header, JSON][sections].
 * Typed arrays become sections, each at a multiple of 8 bytes from the start of the message, and stand in the header as
 * `{"$array": [type, offset, length]}`; numbers that JSON lacks as `{"$number": "NaN"}`. Both ends run the same version of this code, but
 * a message from a page is checked all the same: an index out of range must not become a view on something else.
 */
import { FormatError } from "../errors.ts";
import type { TypedArray } from "../graph/dtype.ts";

const ALIGNMENT = 8;
const PREFIX_BYTES = 4;

const TYPES = {
  i8: Int8Array,
  u8: Uint8Array,
  i16: Int16Array,
  u16: Uint16Array,
  i32: Int32Array,
  u32: Uint32Array,
  f32: Float32Array,
  f64: Float64Array,
  i64: BigInt64Array,
} as const;
type TypeName = keyof typeof TYPES;

function typeOf(value: ArrayBufferView): TypeName {
  const found = (Object.keys(TYPES) as TypeName[]).find((name) => value instanceof TYPES[name]);
  if (found === undefined) throw new TypeError(`a message cannot carry ${value.constructor.name}`);
  return found;
}

export function encodeMessage(message: unknown): Uint8Array<ArrayBuffer> {
  const parts: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  let size = 0;
  const header = JSON.stringify(message, (_, value: unknown) => {
    if (ArrayBuffer.isView(value)) {
      const offset = size;
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      parts.push({ offset, bytes });
      size = align(offset + bytes.length);
      return { $array: [typeOf(value), offset, (value as TypedArray).length] };
    }
    if (typeof value === "number" && !Number.isFinite(value)) return { $number: String(value) };
    return value;
  });
  const text = new TextEncoder().encode(header);
  const start = align(PREFIX_BYTES + text.length);
  const encoded = new Uint8Array(start + size);
  new DataView(encoded.buffer).setUint32(0, text.length, true);
  encoded.set(text, PREFIX_BYTES);
  for (const { offset, bytes } of parts) encoded.set(bytes, start + offset);
  return encoded;
}

/** @throws FormatError */
export function decodeMessage(encoded: Uint8Array): unknown {
  if (encoded.length < PREFIX_BYTES) throw damaged(`${encoded.length} bytes`);
  const length = new DataView(encoded.buffer, encoded.byteOffset).getUint32(0, true);
  if (PREFIX_BYTES + length > encoded.length) throw damaged(`a header of ${length} bytes in a message of ${encoded.length}`);
  const start = align(PREFIX_BYTES + length);
  const text = new TextDecoder().decode(encoded.subarray(PREFIX_BYTES, PREFIX_BYTES + length));
  let message: unknown;
  try {
    message = JSON.parse(text, (_, value: unknown) => revive(value, encoded, start));
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged(error.message);
    throw error;
  }
  return message;
}

function revive(value: unknown, encoded: Uint8Array, start: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("$number" in value) return Number(value.$number);
  if (!("$array" in value)) return value;
  const [type, offset, length] = value.$array as readonly [string, number, number];
  if (!Object.hasOwn(TYPES, type) || !isCount(offset) || !isCount(length)) throw damaged(`section ${JSON.stringify(value.$array)}`);
  const constructor = TYPES[type as TypeName];
  const bytes = length * constructor.BYTES_PER_ELEMENT;
  const from = start + offset;
  if (from + bytes > encoded.length) throw damaged(`a section that ends at ${from + bytes} in a message of ${encoded.length} bytes`);
  // A copy: aligned, and free of the message that it came in. Not `encoded.slice`, which is a view where a Node Buffer comes in.
  const copy = new Uint8Array(bytes);
  copy.set(encoded.subarray(from, from + bytes));
  return new constructor(copy.buffer);
}

function isCount(n: unknown): boolean {
  return typeof n === "number" && Number.isSafeInteger(n) && n >= 0;
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function damaged(what: string): FormatError {
  return new FormatError(`message between page and tool: is damaged, got ${what}`);
}
