/**
 * Where built-in datasets live once they are written: `slimbench/datasets/` in the user's cache folder, or in the system's temporary
 * folder where that can't be written. A dataset appears under its final name only when complete (temporary folder, then rename), so
 * that two processes may prepare it at once and an interrupted one leaves nothing half done.
 */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { UnavailableError } from "../errors.ts";

/** In order of preference. */
export function cacheRoots(): readonly string[] {
  const configured = process.env["XDG_CACHE_HOME"] ?? "";
  // A relative XDG_CACHE_HOME is invalid by its specification, and to be ignored.
  const home = isAbsolute(configured) ? configured : join(homedir(), ".cache");
  return [join(home, "slimbench", "datasets"), join(tmpdir(), `slimbench-${process.getuid?.() ?? "cache"}`, "datasets")];
}

const UNWRITABLE = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR", "ENOENT"]);

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** The temporary folder is shared between users: a folder that someone else put there could hold anything. */
function isOurs(folder: string): boolean {
  return process.getuid === undefined || statSync(folder).uid === process.getuid();
}

/**
 * The folder `name` in the cache, written by `write` unless a usable one is there.
 * @param usable says whether an existing folder is complete and readable; one that is not is replaced
 * @param write fills an empty folder; may be slow
 * @throws UnavailableError when no cache folder can be written (permissions, full disk)
 */
export async function materialize(
  name: string,
  usable: (folder: string) => boolean,
  write: (folder: string) => Promise<void>,
  roots: readonly string[] = cacheRoots(),
): Promise<string> {
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
    `dataset ${name}: no folder to write it to, tried ${failures.join("; ")}`,
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
