/**
 * What is made once and kept: built-in datasets, unpacked drivers and browsers. They live in `slimbench/` in the user's cache folder,
 * or in the system's temporary folder where that can't be written. A folder appears under its final name only when complete (temporary
 * folder, then rename), so that two processes may prepare it at once and an interrupted one leaves nothing half done.
 */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { UnavailableError } from "./errors.ts";

/** Folders for one kind of content, in order of preference. */
export function cacheRoots(
  kind: "datasets" | "native" | "tuning",
  env: Readonly<Record<string, string | undefined>> = process.env,
): readonly string[] {
  const configured = env["XDG_CACHE_HOME"] ?? "";
  // A relative XDG_CACHE_HOME is invalid by its specification, and to be ignored.
  const home = isAbsolute(configured) ? configured : join(homedir(), ".cache");
  return [join(home, "slimbench", kind), join(tmpdir(), `slimbench-${process.getuid?.() ?? "cache"}`, kind)];
}

export const UNWRITABLE: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR", "ENOENT"]);

export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** The temporary folder is shared between users: a folder that someone else put there could hold anything. */
export function isOurs(folder: string): boolean {
  return process.getuid === undefined || statSync(folder).uid === process.getuid();
}

export interface CachedFolder {
  /** Folder name; names what is in it and its version. */
  readonly name: string;
  /** For messages, e.g. "dataset mnist". */
  readonly what: string;
  /** Whether an existing folder is complete and readable; one that is not is replaced. */
  readonly usable: (folder: string) => boolean;
  /** Fills an empty folder; may be slow. */
  readonly write: (folder: string) => Promise<void>;
  readonly roots: readonly string[];
}

/**
 * The folder in the cache, written unless a usable one is there.
 * @throws UnavailableError when no cache folder can be written (permissions, full disk)
 */
export async function materialize({ name, what, usable, write, roots }: CachedFolder): Promise<string> {
  const failures: string[] = [];
  for (const root of roots) {
    const final = join(root, name);
    if (existsSync(final) && isOurs(final) && usable(final)) return final;
  }
  for (const root of roots) {
    const final = join(root, name);
    const temporary = `${final}.${randomUUID()}.tmp`;
    try {
      mkdirSync(root, { recursive: true, mode: 0o700 });
      if (!isOurs(root)) {
        failures.push(`${root} belongs to another user`);
        continue;
      }
      if (existsSync(final) && !isOurs(final)) {
        failures.push(`${final} belongs to another user`);
        continue;
      }
      mkdirSync(temporary);
      await write(temporary);
      return publish(temporary, final, usable);
    } catch (error) {
      if (existsSync(temporary)) rmSync(temporary, { recursive: true });
      if (!UNWRITABLE.has(errorCode(error))) throw error;
      failures.push(`${root}: ${errorCode(error)}`);
    }
  }
  throw new UnavailableError(
    "no-cache",
    `${what}: no folder to write it to, tried ${failures.join("; ")}`,
    "Free some space, or set XDG_CACHE_HOME to a folder that can be written",
  );
}

function publish(temporary: string, final: string, usable: (folder: string) => boolean): string {
  if (existsSync(final)) {
    // Another process was faster, or an unusable one is in the way.
    if (usable(final)) {
      rmSync(temporary, { recursive: true });
      return final;
    }
    rmSync(final, { recursive: true });
  }
  try {
    renameSync(temporary, final);
  } catch (error) {
    if (!existsSync(final) || !usable(final)) throw error;
    rmSync(temporary, { recursive: true });
  }
  return final;
}
