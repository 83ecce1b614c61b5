/** Native files (a GPU driver, a browser) out of the npm package `@sparticuz/chromium`, Linux x64 only, unpacked once into the cache. */
import { existsSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { extract } from "tar-fs";

/** The package's folder of archives and its version, or undefined when npm left it out. */
export async function findArchives(): Promise<{ readonly folder: string; readonly version: string } | undefined> {
  let folder: string;
  try {
    folder = dirname(createRequire(import.meta.url).resolve("@sparticuz/chromium"));
  } catch {
    return undefined;
  }
  while (!existsSync(join(folder, "bin", "swiftshader.tar.br"))) {
    const parent = dirname(folder);
    if (parent === folder) return undefined;
    folder = parent;
  }
  const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { readonly version?: unknown };
  return { folder: join(folder, "bin"), version: String(manifest.version) };
}

/** @param wanted keeps a file by its path inside the archive; absent: all */
export async function extractBrotliTar(archive: string, folder: string, wanted: (path: string) => boolean = () => true): Promise<void> {
  const tar = extract(folder, {
    ignore: (name, header) => header?.type !== "directory" && !wanted(name.slice(folder.length + 1)),
    // The archive's owner is whoever packed it: unpacked as root, the files would be given to a stranger.
    map: (header) => ({ ...header, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }),
  });
  await pipeline(Readable.from([await readFile(archive)]), createBrotliDecompress(), tar);
}

/** Whether all files are there and none is empty. */
export function holdsAll(folder: string, files: readonly string[]): boolean {
  return files.every((file) => (statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0) > 0);
}
