/** The cache: complete or absent, in the first folder that can be written, never shared with strangers. */
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { cacheRoots, materialize } from "../src/cache.ts";
import type { CachedFolder } from "../src/cache.ts";
import { UnavailableError } from "../src/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-cache-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("materialize", () => {
  const write =
    (text: string) =>
    (target: string): Promise<void> => {
      writeFileSync(join(target, "file"), text);
      return Promise.resolve();
    };
  const usable = (target: string): boolean => existsSync(join(target, "file"));
  const set = (fill: CachedFolder["write"], roots: readonly string[]): CachedFolder => ({
    name: "set",
    what: "dataset set",
    usable,
    write: fill,
    roots,
  });

  it("writes once", async () => {
    const roots = [join(folder, "once")];
    const path = await materialize(set(write("first"), roots));
    expect(await materialize(set(write("second"), roots))).toBe(path);
    expect(readFileSync(join(path, "file"), "utf8")).toBe("first");
    expect(readdirSync(roots[0]!)).toEqual(["set"]);
  });

  it("replaces what is damaged", async () => {
    const roots = [join(folder, "damaged")];
    const path = await materialize(set(write("first"), roots));
    rmSync(join(path, "file"));
    await materialize(set(write("second"), roots));
    expect(readFileSync(join(path, "file"), "utf8")).toBe("second");
  });

  it("leaves nothing behind when writing fails", async () => {
    const roots = [join(folder, "failing")];
    await expect(materialize(set(() => Promise.reject(new Error("half way")), roots))).rejects.toThrow("half way");
    expect(readdirSync(roots[0]!)).toEqual([]);
  });

  it("lets one of two concurrent writers win", async () => {
    const roots = [join(folder, "race")];
    const slow = async (target: string): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      await write("slow")(target);
    };
    const paths = await Promise.all([materialize(set(slow, roots)), materialize(set(write("fast"), roots))]);
    expect(paths[0]).toBe(paths[1]);
    expect(readFileSync(join(paths[0], "file"), "utf8")).toBe("fast");
    expect(readdirSync(roots[0]!)).toEqual(["set"]);
  });

  it("falls back to the next folder, and says so when none is left", async () => {
    const blocked = join(folder, "blocked");
    // A file where a folder should be: not writable even for root.
    writeFileSync(blocked, "");
    chmodSync(blocked, 0o444);
    const second = join(folder, "second");
    expect(await materialize(set(write("x"), [join(blocked, "a"), second]))).toBe(join(second, "set"));
    const failure = materialize(set(write("x"), [join(blocked, "a"), join(blocked, "b")]));
    await expect(failure).rejects.toThrow(UnavailableError);
    await expect(failure).rejects.toThrow(/dataset set: no folder to write it to, tried .*blocked\/a.*blocked\/b/);
  });

  it("treats a full disk like a folder that cannot be written", async () => {
    const full = (): Promise<void> => Promise.reject(Object.assign(new Error("no space"), { code: "ENOSPC" }));
    await expect(materialize(set(full, [join(folder, "full")]))).rejects.toThrow(/ENOSPC/);
  });

  it.runIf(process.getuid?.() === 0)("does not use what another user has put there", async () => {
    const roots = [join(folder, "stranger")];
    chownSync(await materialize(set(write("x"), roots)), 12345, 12345);
    await expect(materialize(set(write("y"), roots))).rejects.toThrow(/belongs to another user/);
  });
});

describe("cacheRoots", () => {
  it("prefers XDG_CACHE_HOME, then the home folder, and ends with the temporary folder", () => {
    expect(cacheRoots("native", { XDG_CACHE_HOME: "/x" })[0]).toBe("/x/slimbench/native");
    expect(cacheRoots("native", { XDG_CACHE_HOME: "" })[0]).toMatch(/\.cache\/slimbench\/native$/);
    expect(cacheRoots("native", { XDG_CACHE_HOME: "relative" })[0]).toMatch(/\.cache\/slimbench\/native$/);
    expect(cacheRoots("datasets", {}).at(-1)!.startsWith(tmpdir())).toBe(true);
  });
});
