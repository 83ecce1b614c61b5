/**
 * SwiftShader, Google's Vulkan driver for CPUs, unpacked from the npm package `@sparticuz/chromium` (Linux x64 only). Its archive holds
 * the driver, the json file that names it to the Vulkan loader, and the loader itself, so a machine without any Vulkan works.
 * Unpacked once into the user's cache, atomically: a second process either sees the whole folder or none.
 */
import { existsSync } from "node:fs";
import { access, constants, mkdir, mkdtemp, readFile, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { extract } from "tar-fs";
import { UnavailableError } from "../errors.ts";

const DRIVER = "libvk_swiftshader.so";
const LOADER = "libvulkan.so.1";
const ICD = "vk_swiftshader_icd.json";
const FILES: readonly string[] = [DRIVER, LOADER, ICD];

/** Where the unpacked driver lies. */
export interface SwiftShader {
  readonly directory: string;
  /** The json file that points the Vulkan loader at the driver. */
  readonly icd: string;
}

/** Folder and version of the installed `@sparticuz/chromium`, or undefined when npm left it out. */
async function findPackage(): Promise<{ readonly archive: string; readonly version: string } | undefined> {
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
  return { archive: join(folder, "bin", "swiftshader.tar.br"), version: String(manifest.version) };
}

/** Cache roots in order of preference; the first that can be written wins. */
export function cacheRoots(env: Readonly<Record<string, string | undefined>> = process.env): readonly string[] {
  const xdg = env["XDG_CACHE_HOME"];
  const base = xdg !== undefined && xdg !== "" ? xdg : join(homedir(), ".cache");
  return [join(base, "slimbench"), join(tmpdir(), `slimbench-cache-${process.getuid?.() ?? "user"}`)];
}

async function isComplete(folder: string): Promise<boolean> {
  try {
    const sizes = await Promise.all(FILES.map(async (file) => (await stat(join(folder, file))).size));
    return sizes.every((size) => size > 0);
  } catch {
    return false;
  }
}

/** Code is loaded from here: a folder that somebody else made (the temporary folder is open to all) must not be trusted. */
async function assertOwn(folder: string): Promise<void> {
  const { uid } = await stat(folder);
  if (uid !== process.getuid?.()) throw new Error("the folder belongs to another user");
}

async function unpack(archive: string, root: string, target: string): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  await access(root, constants.W_OK);
  const scratch = await mkdtemp(join(root, "unpack-"));
  try {
    const tar = extract(scratch, {
      ignore: (name) => !FILES.some((file) => name === join(scratch, file)),
      // The archive's owner is whoever packed it: unpacked as root, the files would be given to a stranger.
      map: (header) => ({ ...header, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }),
    });
    await pipeline(Readable.from([await readFile(archive)]), createBrotliDecompress(), tar);
    if (!(await isComplete(scratch))) throw new Error(`${archive} lacks one of ${FILES.join(", ")}`);
    try {
      await rename(scratch, target);
    } catch (error) {
      // Another process was faster, or an old folder lost files: keep a complete one, replace a damaged one.
      if (await isComplete(target)) return;
      await rm(target, { recursive: true, force: true });
      await rename(scratch, target).catch(() => {
        throw error;
      });
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Unpacks SwiftShader if needed and returns where it is.
 * @throws UnavailableError when this is not Linux x64, the npm package is missing, or no cache folder can be written
 */
export async function provideSwiftShader(roots: readonly string[] = cacheRoots()): Promise<SwiftShader> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new UnavailableError(
      "no-gpu",
      `webgpu: no GPU adapter, and SwiftShader is packaged for linux x64 only, got ${process.platform} ${process.arch}`,
      "install a Vulkan driver for this machine (on Debian or Ubuntu: apt-get install mesa-vulkan-drivers)",
    );
  }
  const found = await findPackage();
  if (found === undefined) {
    throw new UnavailableError(
      "no-swiftshader",
      "webgpu: the npm package @sparticuz/chromium, which holds SwiftShader, is not installed",
      "run npm ci",
    );
  }
  const failures: string[] = [];
  for (const root of roots) {
    const directory = join(root, `swiftshader-${found.version}`);
    try {
      if (!(await isComplete(directory))) await unpack(found.archive, root, directory);
      await assertOwn(directory);
      return { directory, icd: join(directory, ICD) };
    } catch (error) {
      failures.push(`${root}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new UnavailableError(
    "no-cache",
    `webgpu: SwiftShader cannot be unpacked, got ${failures.join("; ")}`,
    "free disk space, or set XDG_CACHE_HOME to a folder that can be written",
  );
}

/** Environment that makes a child process load SwiftShader; both spellings of the driver variable, old loaders know only the second. */
export function swiftShaderEnvironment(driver: SwiftShader): Record<string, string> {
  const libraries = process.env["LD_LIBRARY_PATH"];
  return {
    VK_DRIVER_FILES: driver.icd,
    VK_ICD_FILENAMES: driver.icd,
    LD_LIBRARY_PATH: libraries === undefined || libraries === "" ? driver.directory : `${driver.directory}:${libraries}`,
  };
}
