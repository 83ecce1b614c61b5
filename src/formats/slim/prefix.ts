/** The first 20 bytes of an archive: a magic that text conversion damages, as PNG's, the version, length and checksum of the manifest. */
import { FormatError } from "../../errors.ts";
import { crc32 } from "./crc32.ts";

const MAGIC = [0x89, 0x53, 0x4c, 0x49, 0x4d, 0x0d, 0x0a, 0x1a] as const; // \x89SLIM\r\n\x1a
export const VERSION = 1;
export const PREFIX_BYTES = 20;

export interface Prefix {
  readonly manifestBytes: number;
  readonly manifestCrc32: number;
}

export function startsLikeSlim(bytes: Uint8Array): boolean {
  // The first bytes alone, so that a file damaged by text conversion is still told what it is.
  return MAGIC.slice(0, 5).every((byte, i) => bytes[i] === byte);
}

export function writePrefix(bytes: Uint8Array, manifest: Uint8Array): void {
  bytes.set(MAGIC);
  const view = new DataView(bytes.buffer, bytes.byteOffset, PREFIX_BYTES);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, manifest.length, true);
  view.setUint32(16, crc32(manifest), true);
}

/** @throws FormatError */
export function readPrefix(bytes: Uint8Array, name: string): Prefix {
  if (!startsLikeSlim(bytes)) throw new FormatError(`${name}: does not begin as a .slim archive`, "Give a file that bench compress wrote");
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) {
    throw new FormatError(`${name}: a .slim archive whose line ends were converted`, "Get the file again, as binary");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, PREFIX_BYTES);
  const version = view.getUint32(8, true);
  if (version !== VERSION) {
    throw new FormatError(
      `${name}: a .slim archive of version ${version}, expected ${VERSION}`,
      "Read it with the slimbench that wrote it",
    );
  }
  return { manifestBytes: view.getUint32(12, true), manifestCrc32: view.getUint32(16, true) };
}
