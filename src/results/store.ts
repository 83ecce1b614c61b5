/**
 * result.json on disk. Reading says which path in the file is wrong; writing is atomic (a temporary file beside the target, synced,
 * then renamed), so a crash or a full disk never leaves half a file where a finished one was.
 */
import { closeSync, existsSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { UsageError } from "../errors.ts";
import { checkDocument, errno, errnoText, parseDocument, readDocument } from "./document.ts";
import type { DocumentKind } from "./document.ts";
import { RESULT_SCHEMA, resultSchema } from "./schema.ts";
import type { Result } from "./schema.ts";
import { resultText } from "./text.ts";

export const RESULT_DOCUMENT: DocumentKind<typeof resultSchema> = {
  schemaName: RESULT_SCHEMA,
  what: "slimbench result",
  remake: "Run the benchmark again with --out",
  schema: resultSchema,
};

/** @throws FormatError naming the file, the path in it, what was found and what was expected. */
export function readResult(path: string): Result {
  return readDocument(RESULT_DOCUMENT, path);
}

/** @param where the file's name, for messages */
export function parseResult(text: string, where: string): Result {
  return parseDocument(RESULT_DOCUMENT, text, where);
}

/** Validates a value that claims to be a result. Unknown fields are kept. */
export function checkResult(value: unknown, where: string): Result {
  return checkDocument(RESULT_DOCUMENT, value, where);
}

/** Validates, then writes atomically. @throws FormatError on an invalid result, UsageError where the file cannot be written */
export function writeResult(path: string, result: Result): void {
  checkResult(result, path);
  writeFileAtomic(path, resultText(result), "--out");
}

/**
 * Writes beside the target, then renames over it. A device or pipe (`/dev/stdout`) is written in place, a link is followed.
 * @param option the command line option that named the file, for messages
 */
export function writeFileAtomic(path: string, data: string | Uint8Array, option: string): void {
  try {
    const target = existsSync(path) ? realpathSync(path) : path;
    const stat = statSync(target, { throwIfNoEntry: false });
    if (stat !== undefined && !stat.isFile()) writeFileSync(target, data);
    else writeThenRename(target, data);
  } catch (error) {
    throw new UsageError(`${option} ${path}: cannot be written, ${writeProblem(error, path)}`);
  }
}

function writeThenRename(target: string, data: string | Uint8Array): void {
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    const file = openSync(temporary, "w");
    try {
      writeFileSync(file, data);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function writeProblem(error: unknown, path: string): string {
  switch (errno(error)) {
    case "ENOENT":
      return `the folder ${dirname(path)} does not exist. Create it first`;
    case "ENOTDIR":
      return `${dirname(path)} is not a folder. Name a path inside a folder`;
    case "EISDIR":
      return "it is a folder. Name a file";
    case "ENOSPC":
    case "EDQUOT":
      return "the disk is full. Free space or name another place";
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "no permission. Name a place that you may write to";
    default:
      return errnoText(error);
  }
}
