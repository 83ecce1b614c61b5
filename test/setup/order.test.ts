/** The order of test files: what is known to be slow begins first. */
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SLOW_FILES, slowFirst } from "./order.ts";

describe("slowFirst", () => {
  it("begins with the slow files, and leaves the others in their order", () => {
    const [first, second] = SLOW_FILES;
    const files = ["test/b.test.ts", second!, "test/a.test.ts", first!];
    expect(slowFirst(files, (path) => path)).toEqual([first, second, "test/b.test.ts", "test/a.test.ts"]);
  });

  it("knows files that exist, each once", () => {
    expect(SLOW_FILES.filter((path) => !existsSync(new URL(`../../${path}`, import.meta.url)))).toEqual([]);
    expect(new Set(SLOW_FILES).size).toBe(SLOW_FILES.length);
  });
});
