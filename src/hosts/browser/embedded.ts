/**
 * The browser for machines that have none: Chromium's headless shell out of the npm package `@sparticuz/chromium`, Linux x64 only, with
 * SwiftShader beside the binary, where Chromium looks for it. The package's shared libraries and fonts lie next to it for systems
 * that lack them.
 */
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { cacheRoots, materialize } from "../../cache.ts";
import { UnavailableError } from "../../errors.ts";
import { extractBrotliTar, findArchives, holdsAll } from "../unpack.ts";

const BINARY = "chromium";
const FILES: readonly string[] = [BINARY, "libvk_swiftshader.so", "vk_swiftshader_icd.json", "libEGL.so", "lib/libnss3.so", "fonts.conf"];

export interface EmbeddedBrowser {
  readonly executable: string;
  /** For systems whose own libraries do not do. */
  readonly libraries: string;
  /** A fontconfig file that names the unpacked fonts. */
  readonly fonts: string;
}

/** @throws UnavailableError on another platform, without the package, or without a folder to unpack to */
export async function provideEmbeddedBrowser(roots: readonly string[] = cacheRoots("native")): Promise<EmbeddedBrowser> {
  const archives = process.platform === "linux" && process.arch === "x64" ? await findArchives() : undefined;
  if (archives === undefined) {
    throw new UnavailableError(
      "no-browser",
      "host chrome: no Chrome or Chromium found, and the one from npm is for linux x64 only",
      "Install Chrome or Chromium, or name one with --browser PATH",
    );
  }
  const folder = await materialize({
    name: `chromium-${archives.version}`,
    what: "Chromium from npm",
    roots,
    usable: (candidate) => holdsAll(candidate, FILES),
    write: (target) => unpack(archives.folder, target),
  });
  return { executable: join(folder, BINARY), libraries: join(folder, "lib"), fonts: join(folder, "fonts.conf") };
}

async function unpack(archives: string, target: string): Promise<void> {
  const binary = join(target, BINARY);
  await writeFile(binary, await promisify(brotliDecompress)(await readFile(join(archives, "chromium.br"))));
  await chmod(binary, 0o755);
  for (const name of ["swiftshader", "al2023", "fonts"]) await extractBrotliTar(join(archives, `${name}.tar.br`), target);
  // The package's own file names the folders of one cloud provider; relative ones are read from where the file lies.
  const config = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`;
  await writeFile(join(target, "fonts.conf"), config);
}
