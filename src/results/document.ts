/**
 * JSON documents of ours on disk: each says in `schema` what it is. Reading says which path in the file is wrong, and never trusts the file.
 */
import { readFileSync, statSync } from "node:fs";
import type { z } from "zod";
import { FormatError, SlimbenchError } from "../errors.ts";

export interface DocumentKind<S extends z.ZodType> {
  /** What the document's `schema` says: `slimbench/result@1`. */
  readonly schemaName: string;
  /** For messages: `slimbench result`. */
  readonly what: string;
  /** How to get a whole one: a sentence. */
  readonly remake: string;
  readonly schema: S;
}

/** Far above any real result (a record is some 10 KB), far below what would hurt. */
const MAX_FILE_BYTES = 512 * 1024 * 1024;

/** @throws FormatError naming the file, the path in it, what was found and what was expected. */
export function readDocument<S extends z.ZodType>(kind: DocumentKind<S>, path: string): z.infer<S> {
  return parseDocument(kind, readText(kind, path), path);
}

function readText(kind: Pick<DocumentKind<z.ZodType>, "what">, path: string): string {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw new FormatError(`${path}: is a folder, expected a file. Name the JSON file inside it`);
    if (stat.size > MAX_FILE_BYTES) {
      throw new FormatError(`${path}: too large, got ${stat.size} bytes, expected at most ${MAX_FILE_BYTES}. Is this a ${kind.what}?`);
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof SlimbenchError) throw error;
    throw new FormatError(`${path}: cannot be read, ${errnoText(error)}. Check the path`, "", error);
  }
}

/** @param where the file's name, for messages */
export function parseDocument<S extends z.ZodType>(kind: DocumentKind<S>, text: string, where: string): z.infer<S> {
  if (text.trim() === "") throw new FormatError(`${where}: empty file, expected a ${kind.schemaName} document. ${kind.remake}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const truncated = !text.trimEnd().endsWith("}");
    const what = truncated ? `the file ends early (${text.length} characters)` : error instanceof Error ? error.message : String(error);
    throw new FormatError(`${where}: not valid JSON, ${what}. ${kind.remake}`, "", error);
  }
  return checkDocument(kind, value, where);
}

/** Validates a value that claims to be such a document. */
export function checkDocument<S extends z.ZodType>({ schemaName, what, schema: shape }: DocumentKind<S>, value: unknown, where: string): z.infer<S> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FormatError(`${where}: got ${describe(value)}, expected an object with "schema": "${schemaName}"`);
  }
  const schema = (value as { readonly schema?: unknown }).schema;
  if (schema !== schemaName) {
    const newer = typeof schema === "string" && schema.startsWith(schemaName.slice(0, schemaName.indexOf("@") + 1));
    throw new FormatError(
      `${where}: schema: got ${describe(schema)}, expected "${schemaName}". ${newer ? "Use the slimbench version that wrote it" : `This is not a ${what}`}`,
    );
  }
  const parsed = shape.safeParse(value);
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

export function errno(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

export function errnoText(error: unknown): string {
  switch (errno(error)) {
    case "ENOENT":
      return "no such file";
    case "EACCES":
      return "no permission";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
