/** Unpacking SwiftShader: complete, repaired when damaged, in the first folder that can be written, never half. */
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UnavailableError } from "../../src/errors.ts";
import { provideSwiftShader, swiftShaderEnvironment } from "../../src/hosts/swiftshader.ts";

const supported = process.platform === "linux" && process.arch === "x64";
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "slimbench-test-"));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

describe.runIf(supported)("provideSwiftShader", () => {
  it("unpacks driver, loader and icd file, and nothing else, into a folder named by version", async () => {
    const driver = await provideSwiftShader([root]);
    expect(driver.directory).toMatch(/swiftshader-\d+\.\d+\.\d+$/);
    expect((await readdir(driver.directory)).sort()).toEqual(["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"]);
    const icd = JSON.parse(await readFile(driver.icd, "utf8")) as { readonly ICD: { readonly library_path: string } };
    expect(icd.ICD.library_path).toBe("./libvk_swiftshader.so");
    expect(await readdir(root)).toHaveLength(1);
    expect((await stat(join(driver.directory, "libvulkan.so.1"))).uid).toBe(process.getuid?.());
  });

  it("leaves a complete folder alone", async () => {
    const { icd } = await provideSwiftShader([root]);
    await writeFile(icd, "{}");
    await provideSwiftShader([root]);
    expect(await readFile(icd, "utf8")).toBe("{}");
  });

  it("repairs a folder that lost a file or holds an empty one", async () => {
    const driver = await provideSwiftShader([root]);
    await writeFile(join(driver.directory, "libvk_swiftshader.so"), "");
    await rm(driver.icd);
    await provideSwiftShader([root]);
    expect((await stat(join(driver.directory, "libvk_swiftshader.so"))).size).toBeGreaterThan(1_000_000);
    expect((await stat(driver.icd)).size).toBeGreaterThan(0);
  });

  it("survives several processes' worth of calls at once", async () => {
    const drivers = await Promise.all([1, 2, 3].map(() => provideSwiftShader([root])));
    expect(new Set(drivers.map((driver) => driver.directory)).size).toBe(1);
    expect(await readdir(root)).toHaveLength(1);
  });

  it("takes the next folder when the first cannot be written", async () => {
    const file = join(root, "file");
    await writeFile(file, "");
    const second = join(root, "second");
    const driver = await provideSwiftShader([join(file, "cache"), second]);
    expect(driver.directory.startsWith(second)).toBe(true);
  });

  it("says what failed when no folder can be written", async () => {
    const file = join(root, "file");
    await writeFile(file, "");
    const attempt = provideSwiftShader([join(file, "a"), join(file, "b")]);
    await expect(attempt).rejects.toThrow(UnavailableError);
    await expect(attempt).rejects.toThrow(/no folder to write it to/);
  });

  it("leaves no scratch behind when a folder is read-only", async () => {
    const locked = join(root, "locked");
    await mkdir(locked);
    await chmod(locked, 0o500);
    const open = join(root, "open");
    await provideSwiftShader([locked, open]);
    expect(await readdir(locked).then((names) => names.filter((name) => name.endsWith(".tmp")))).toEqual([]);
  });
});

describe("swiftShaderEnvironment", () => {
  it("puts the driver's folder before the user's libraries", () => {
    const before = process.env["LD_LIBRARY_PATH"];
    process.env["LD_LIBRARY_PATH"] = "/mine";
    try {
      const env = swiftShaderEnvironment({ directory: "/d", icd: "/d/icd.json" });
      expect(env).toEqual({ VK_DRIVER_FILES: "/d/icd.json", VK_ICD_FILENAMES: "/d/icd.json", LD_LIBRARY_PATH: "/d:/mine" });
    } finally {
      if (before === undefined) delete process.env["LD_LIBRARY_PATH"];
      else process.env["LD_LIBRARY_PATH"] = before;
    }
  });
});
