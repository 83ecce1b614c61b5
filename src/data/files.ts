/** Datasets from the file system. Sizes are checked before anything is read; data is read when the first sample is asked for. */
import { readFileSync, statSync, type Stats } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { FormatError } from "../errors.ts";
import type { Dataset } from "./dataset.ts";
import { HEADER_EXAMPLE, checkDataSize, datasetOf, parseHeader } from "./header.ts";
import type { DatasetHeader } from "./header.ts";

const HEADER_LIMIT_BYTES = 64 * 2 ** 20;

/** Reads and checks a header, not the data it names. @throws FormatError */
export function readHeader(path: string): DatasetHeader {
  const size = statFile(path, "dataset header").size;
  if (size > HEADER_LIMIT_BYTES) {
    throw new FormatError(`${path}: dataset header of ${size} bytes, expected at most ${HEADER_LIMIT_BYTES}`, HEADER_EXAMPLE);
  }
  if (size === 0) throw new FormatError(`${path}: dataset header is empty, expected JSON`, HEADER_EXAMPLE);
  return parseHeader(readFileSync(path, "utf8"), path);
}

/** Where the samples of a header lie. */
export function dataPathOf(header: DatasetHeader, headerPath: string): string {
  return resolve(dirname(headerPath), header.data);
}

/**
 * @param headerPath a file, not a built-in name (see resolveDataset)
 * @throws FormatError when the header is wrong or disagrees with its data file
 */
export function readDataset(headerPath: string): Dataset {
  const header = readHeader(headerPath);
  const dataPath = dataPathOf(header, headerPath);
  const check = (size: number): void => checkDataSize(header, headerPath, dataPath, size);
  check(statFile(dataPath, `data file of ${basename(headerPath)}`).size);
  return datasetOf(header, () => {
    const found = readFileSync(dataPath);
    // It may have changed since the header was checked.
    check(found.byteLength);
    // Not the Buffer itself: its `slice` is a view, where Uint8Array's copies.
    return new Uint8Array(found.buffer, found.byteOffset, found.byteLength);
  });
}

function statFile(path: string, what: string): Stats {
  let stat: Stats;
  try {
    stat = statSync(path);
  } catch (error) {
    throw new FormatError(`${path}: ${what} not found, expected a file`, "Check the path; a data file is relative to its header", error);
  }
  if (!stat.isFile()) throw new FormatError(`${path}: ${what} is not a file`, "Give the path of a file");
  return stat;
}
