/**
 * result.json on disk. Reading says which path in the file is wrong; writing is atomic (a temporary file beside the target, synced,
 * then renamed), so a crash or a full disk never leaves half a file where a finished one was.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { z } from "zod";
import { FormatError, SlimbenchError, UsageError } from "../errors.ts";
import { RESULT_SCHEMA, resultSchema } from "./schema.ts";
import type { Result } from "./schema.ts";

/** Far above any real result (a record is some 10 KB), far below what would hurt. */
const MAX_FILE_BYTES = 512 * 1024 * 1024;

/** @throws FormatError naming the file, the path in it, what was found and what was expected. */
export function readResult(path: string): Result {
  return parseResult(readText(path), path);
}

function readText(path: string): string {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw new FormatError(`${path}: is a folder, expected a result file. Name the result.json inside it`);
    if (stat.size > MAX_FILE_BYTES) {
      throw new FormatError(`${path}: too large, got ${stat.size} bytes, expected at most ${MAX_FILE_BYTES}. Is this a result.json?`);
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof SlimbenchError) throw error;
    throw new FormatError(`${path}: cannot be read, ${errnoText(error)}. Check the path`, "", error);
  }
}

/** @param where the file's name, for messages */
export function parseResult(text: string, where: string): Result {
  if (text.trim() === "") throw new FormatError(`${where}: empty file, expected a ${RESULT_SCHEMA} document. Run the benchmark again with --out`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const truncated = !text.trimEnd().endsWith("}");
    const what = truncated ? `the file ends early (${text.length} characters)` : error instanceof Error ? error.message : String(error);
    throw new FormatError(`${where}: not valid JSON, ${what}. Run the benchmark again with --out`, "", error);
  }
  return checkResult(value, where);
}

/** Validates a value that claims to be a result. Unknown fields are kept. */
export function checkResult(value: unknown, where: string): Result {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FormatError(`${where}: got ${describe(value)}, expected an object with "schema": "${RESULT_SCHEMA}"`);
  }
  const schema = (value as { readonly schema?: unknown }).schema;
  if (schema !== RESULT_SCHEMA) {
    const newer = typeof schema === "string" && schema.startsWith("slimbench/result@");
    throw new FormatError(
      `${where}: schema: got ${describe(schema)}, expected "${RESULT_SCHEMA}". ${newer ? "Use the slimbench version that wrote it" : "This is not a slimbench result"}`,
    );
  }
  const parsed = resultSchema.safeParse(value);
  if (!parsed.success) throw new FormatError(`${where}: ${issueText(parsed.error, value)}`);
  return parsed.data;
}

function issueText(error: z.ZodError, root: unknown): string {
  const issue = error.issues[0];
  if (issue === undefined) return "does not match the schema";
  const path = issue.path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  let got: unknown = root;
  for (const part of issue.path) got = typeof got === "object" && got !== null ? (got as Record<PropertyKey, unknown>)[part] : undefined;
  const more = error.issues.length > 1 ? ` (and ${error.issues.length - 1} more)` : "";
  return `${path.replace(/^\./, "")}: ${issue.message.toLowerCase()}, got ${describe(got)}${more}`;
}

function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object") return "an object";
  if (typeof value !== "string") return typeof value === "number" || typeof value === "boolean" ? String(value) : typeof value;
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Validates, then writes atomically. @throws FormatError on an invalid result, UsageError where the file cannot be written */
export function writeResult(path: string, result: Result): void {
  checkResult(result, path);
  writeFileAtomic(path, `${JSON.stringify(result, null, 1)}\n`, "--out");
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

function errno(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

function errnoText(error: unknown): string {
  switch (errno(error)) {
    case "ENOENT":
      return "no such file";
    case "EACCES":
      return "no permission";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
