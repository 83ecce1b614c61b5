/**
 * Measurements of kernels on disk, those of pages too (far-store.ts): `<cache>/slimbench/tuning/<machine>/<layer>.json`, one file a layer. A file is written beside its place
 * and renamed over it, so that processes which tune at once never read half a file and never lose each other's layers: two that measured
 * the same one leave the later.
 */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { UNWRITABLE, cacheRoots, errorCode, isOurs } from "../cache.ts";
import type { TuneEntry, TuningStore } from "../engines/tune/types.ts";
import { FormatError, UnavailableError, invariant } from "../errors.ts";

/** File systems take names of 255 bytes; the temporary name is longer than the final one. */
const LONGEST_NAME = 200;

/** @param machine what times depend on and engines cannot see; this process's where nothing is said */
export function nodeTuningStore(
  roots: readonly string[] = cacheRoots("tuning"),
  machine: TuningStore["machine"] = { ...hardware(), v8: process.versions.v8 },
): TuningStore {
  return {
    machine,
    // eslint-disable-next-line @typescript-eslint/require-await -- small local files; throws become rejections
    load: async (machine, key) => load(roots, machine, key),
    // eslint-disable-next-line @typescript-eslint/require-await -- as load
    store: async (machine, key, entry) => store(roots, machine, key, entry),
  };
}

/** Of a browser that this process drives. Another version of it is another machine, and so are other switches. */
export function browserMachine(version: string, flags: readonly string[]): TuningStore["machine"] {
  return { ...hardware(), browser: version, flags: flags.join(" ") };
}

function hardware(): { readonly cpu: string; readonly arch: string; readonly platform: string } {
  return { cpu: cpus()[0]?.model.trim() ?? "unknown", arch: process.arch, platform: process.platform };
}

function load(roots: readonly string[], machine: string, key: string): unknown {
  for (const root of roots) {
    const path = join(root, machine, fileName(key));
    if (!existsSync(path) || !isOurs(root)) continue;
    try {
      return JSON.parse(readFileSync(path, "utf8"));
    } catch (error) {
      throw new FormatError(`${path}: is damaged, ${error instanceof Error ? error.message : String(error)}`, "", error);
    }
  }
  return undefined;
}

function store(roots: readonly string[], machine: string, key: string, entry: TuneEntry): void {
  const failures: string[] = [];
  for (const root of roots) {
    const folder = join(root, machine);
    const path = join(folder, fileName(key));
    const temporary = `${path}.${randomUUID()}.tmp`;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (!isOurs(root)) {
        failures.push(`${root} belongs to another user`);
        continue;
      }
      writeFileSync(temporary, `${JSON.stringify(entry, null, 1)}\n`);
      renameSync(temporary, path);
      return;
    } catch (error) {
      if (existsSync(temporary)) rmSync(temporary);
      if (!UNWRITABLE.has(errorCode(error))) throw error;
      failures.push(`${root}: ${errorCode(error)}`);
    }
  }
  throw new UnavailableError(
    "no-cache",
    `no folder to write it to, tried ${failures.join("; ")}`,
    "Set XDG_CACHE_HOME to a folder that can be written",
  );
}

function fileName(key: string): string {
  invariant(/^[A-Za-z0-9_-]+$/.test(key), `"${key}" is no name for a file`);
  // The end of a key is the hash of all that it does not spell out.
  return `${key.length <= LONGEST_NAME ? key : key.slice(0, 60) + key.slice(60 - LONGEST_NAME)}.json`;
}
