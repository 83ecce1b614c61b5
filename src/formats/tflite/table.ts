/**
 * Checked access to a FlatBuffer. The `flatbuffers` library reads wherever an offset points; here every offset, vtable and vector
 * length is verified against the file before it is followed, and all numbers and strings that are decoded count against a budget
 * proportional to the file, so that overlapping vectors in a hostile file cannot multiply work or memory.
 * Layout: https://flatbuffers.dev/internals (table → vtable of 16-bit field offsets; vectors and strings prefixed by a 32-bit count).
 */
import { ByteBuffer } from "flatbuffers";
import { FormatError } from "../../errors.ts";

const REMEDY = "The file is damaged or not a TFLite model; get it again.";

export class FlatFile {
  readonly buffer: ByteBuffer;
  readonly bytes: Uint8Array;
  readonly #name: string;
  #budgetBytes: number;

  /** @param name file name for messages */
  constructor(bytes: Uint8Array, name: string) {
    this.bytes = bytes;
    this.buffer = new ByteBuffer(bytes);
    this.#name = name;
    this.#budgetBytes = 4 * bytes.length + 65536;
  }

  fail(what: string): never {
    throw new FormatError(`${this.#name}: ${what}`, REMEDY);
  }

  /** Fails unless `[position, position + bytes)` lies inside the file. */
  need(position: number, bytes: number, what: string): void {
    if (!(position >= 0 && bytes >= 0 && position + bytes <= this.bytes.length)) {
      this.fail(`${what} reaches byte ${position + bytes}, the file has ${this.bytes.length}`);
    }
  }

  /** Accounts for decoding that many bytes. */
  spend(bytes: number): void {
    this.#budgetBytes -= bytes;
    if (this.#budgetBytes < 0) this.fail("its parts overlap so often that decoding them would exceed the file's size many times over");
  }

  root(what: string): FlatTable {
    this.need(0, 4, "the root offset");
    return new FlatTable(this, this.buffer.readUint32(0), what);
  }
}

/** One table of the file. Fields are numbered as in the schema (unions take two numbers, type and value). */
export class FlatTable {
  readonly #file: FlatFile;
  readonly #position: number;
  readonly #vtable: number;
  readonly #vtableBytes: number;
  readonly #inlineBytes: number;
  readonly #what: string;

  constructor(file: FlatFile, position: number, what: string) {
    const { buffer } = file;
    file.need(position, 4, what);
    const vtable = position - buffer.readInt32(position);
    file.need(vtable, 4, `the vtable of ${what}`);
    const vtableBytes = buffer.readUint16(vtable);
    const inlineBytes = buffer.readUint16(vtable + 2);
    file.need(vtable, Math.max(4, vtableBytes), `the vtable of ${what}`);
    file.need(position, Math.max(4, inlineBytes), what);
    this.#file = file;
    this.#position = position;
    this.#vtable = vtable;
    this.#vtableBytes = vtableBytes;
    this.#inlineBytes = inlineBytes;
    this.#what = what;
  }

  /** Absolute position of a field of `bytes` bytes; 0 when the table does not store it. */
  #field(index: number, bytes: number): number {
    const slot = 4 + 2 * index;
    if (slot + 2 > this.#vtableBytes) return 0;
    const offset = this.#file.buffer.readUint16(this.#vtable + slot);
    if (offset === 0) return 0;
    if (offset < 4 || offset + bytes > this.#inlineBytes) this.#file.fail(`field ${index} of ${this.#what} lies outside its table`);
    return this.#position + offset;
  }

  int8(index: number, fallback = 0): number {
    const at = this.#field(index, 1);
    return at === 0 ? fallback : this.#file.buffer.readInt8(at);
  }

  uint8(index: number, fallback = 0): number {
    const at = this.#field(index, 1);
    return at === 0 ? fallback : this.#file.buffer.readUint8(at);
  }

  bool(index: number): boolean {
    return this.uint8(index) !== 0;
  }

  int32(index: number, fallback = 0): number {
    const at = this.#field(index, 4);
    return at === 0 ? fallback : this.#file.buffer.readInt32(at);
  }

  uint32(index: number, fallback = 0): number {
    const at = this.#field(index, 4);
    return at === 0 ? fallback : this.#file.buffer.readUint32(at);
  }

  float32(index: number, fallback = 0): number {
    const at = this.#field(index, 4);
    return at === 0 ? fallback : this.#file.buffer.readFloat32(at);
  }

  /** As a number; beyond 2^53 it is not exact, and then no file is that large. */
  uint64(index: number): number {
    const at = this.#field(index, 8);
    return at === 0 ? 0 : Number(this.#file.buffer.readUint64(at));
  }

  table(index: number, what: string): FlatTable | undefined {
    const at = this.#field(index, 4);
    return at === 0 ? undefined : new FlatTable(this.#file, at + this.#file.buffer.readUint32(at), what);
  }

  tables(index: number, what: string): readonly FlatTable[] {
    const { start, length } = this.#vector(index, 4, what);
    const tables: FlatTable[] = [];
    for (let i = 0; i < length; i++) {
      const at = start + 4 * i;
      tables.push(new FlatTable(this.#file, at + this.#file.buffer.readUint32(at), `${what} ${i}`));
    }
    return tables;
  }

  /** Control characters are replaced: names go into one-line messages. */
  string(index: number, what: string): string {
    const { start, length } = this.#vector(index, 1, what);
    return length === 0 ? "" : new TextDecoder().decode(this.#file.bytes.subarray(start, start + length)).replace(/\p{Cc}/gu, "?");
  }

  int32s(index: number, what: string): Int32Array {
    const { start, length } = this.#vector(index, 4, what);
    return Int32Array.from({ length }, (_, i) => this.#file.buffer.readInt32(start + 4 * i));
  }

  float32s(index: number, what: string): Float32Array {
    const { start, length } = this.#vector(index, 4, what);
    return Float32Array.from({ length }, (_, i) => this.#file.buffer.readFloat32(start + 4 * i));
  }

  /** int64 values; a caller checks the range that it needs. */
  int64s(index: number, what: string): readonly number[] {
    const { start, length } = this.#vector(index, 8, what);
    return Array.from({ length }, (_, i) => Number(this.#file.buffer.readInt64(start + 8 * i)));
  }

  /** A view into the file, not a copy, so it costs no budget. */
  bytes(index: number, what: string): Uint8Array {
    const { start, length } = this.#vector(index, 1, what, false);
    return this.#file.bytes.subarray(start, start + length);
  }

  #vector(index: number, elementBytes: number, what: string, decoded = true): { start: number; length: number } {
    const at = this.#field(index, 4);
    if (at === 0) return { start: 0, length: 0 };
    const vector = at + this.#file.buffer.readUint32(at);
    const label = `${what} of ${this.#what}`;
    this.#file.need(vector, 4, label);
    const length = this.#file.buffer.readUint32(vector);
    this.#file.need(vector + 4, length * elementBytes, label);
    if (decoded) this.#file.spend(length * elementBytes);
    return { start: vector + 4, length };
  }
}
