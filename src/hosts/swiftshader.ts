/**
 * SwiftShader, Google's Vulkan driver for CPUs. The package's archive holds the driver, the json file that names it to the Vulkan
 * loader, and the loader itself, so a machine without any Vulkan works.
 */
import { join } from "node:path";
import { cacheRoots, materialize } from "../cache.ts";
import { UnavailableError } from "../errors.ts";
import { extractBrotliTar, findArchives, holdsAll } from "./unpack.ts";

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

/**
 * Unpacks SwiftShader if needed and returns where it is.
 * @throws UnavailableError when this is not Linux x64, the npm package is missing, or no cache folder can be written
 */
export async function provideSwiftShader(roots: readonly string[] = cacheRoots("native")): Promise<SwiftShader> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new UnavailableError(
      "no-gpu",
      `webgpu: no GPU adapter, and SwiftShader is packaged for linux x64 only, got ${process.platform} ${process.arch}`,
      "install a Vulkan driver for this machine (on Debian or Ubuntu: apt-get install mesa-vulkan-drivers)",
    );
  }
  const archives = await findArchives();
  if (archives === undefined) {
    throw new UnavailableError(
      "no-swiftshader",
      "webgpu: the npm package @sparticuz/chromium, which holds SwiftShader, is not installed",
      "run npm ci",
    );
  }
  const directory = await materialize({
    name: `swiftshader-${archives.version}`,
    what: "SwiftShader",
    roots,
    usable: (folder) => holdsAll(folder, FILES),
    write: (folder) => extractBrotliTar(join(archives.folder, "swiftshader.tar.br"), folder, (path) => FILES.includes(path)),
  });
  return { directory, icd: join(directory, ICD) };
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
