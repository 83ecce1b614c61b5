/**
 * Headless Chromium from the npm package `@sparticuz/chromium`: the browser as one compressed executable, unpacked once into the cache,
 * driven by puppeteer-core, which brings no browser of its own.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import puppeteer, { type Browser } from "puppeteer-core";
import { cacheRoots, materialize } from "../../src/cache.ts";
import { UnavailableError } from "../../src/errors.ts";
import { findArchives, holdsAll } from "../../src/hosts/unpack.ts";

const EXECUTABLE = "chromium";
const EXECUTABLE_MODE = 0o755;
const REMEDY = "Use --host node";

/** @throws UnavailableError when this is not Linux x64, the package is missing, or no cache folder can be written */
async function provideChromium(): Promise<string> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new UnavailableError("no-browser", `chromium: is packaged for linux x64 only, got ${process.platform} ${process.arch}`, REMEDY);
  }
  const archives = await findArchives();
  if (archives === undefined) {
    throw new UnavailableError("no-browser", "chromium: the npm package @sparticuz/chromium is not installed", "run npm ci");
  }
  const folder = await materialize({
    name: `chromium-executable-${archives.version}`,
    what: "Chromium",
    roots: cacheRoots("native"),
    usable: (candidate) => holdsAll(candidate, [EXECUTABLE]),
    write: async (to) => {
      const bytes = await promisify(brotliDecompress)(await readFile(join(archives.folder, "chromium.br")));
      await writeFile(join(to, EXECUTABLE), bytes, { mode: EXECUTABLE_MODE });
    },
  });
  return join(folder, EXECUTABLE);
}

export async function launchChromium(): Promise<Browser> {
  return puppeteer.launch({
    executablePath: await provideChromium(),
    headless: "shell",
    // Chromium's sandbox refuses to start as root. The page loads only what this tool serves.
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
    // One case is one call, and may take minutes on a busy machine.
    protocolTimeout: 0,
  });
}
