import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FormatError, UsageError } from "../../src/errors.ts";
import { loadModelFile, resolveModelPath } from "../../src/formats/source.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "source-"));
  writeFileSync(join(dir, "net.onnx"), Uint8Array.of(8, 7, 1));
  writeFileSync(join(dir, "empty.onnx"), "");
  writeFileSync(join(dir, "huge.onnx"), "x");
  truncateSync(join(dir, "huge.onnx"), 2 ** 31 + 1);
  for (const name of ["plain", "@scope/models"]) {
    mkdirSync(join(dir, "node_modules", name, "sub"), { recursive: true });
    writeFileSync(join(dir, "node_modules", name, "sub", "m.onnx"), name);
  }
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("loadModelFile", () => {
  it("reads a path, absolute or relative to the base folder", async () => {
    for (const spec of [join(dir, "net.onnx"), "net.onnx"]) {
      expect(await loadModelFile(spec, { baseDir: dir })).toEqual({
        bytes: Uint8Array.of(8, 7, 1),
        path: join(dir, "net.onnx"),
        name: "net.onnx",
      });
    }
  });

  it("finds files in packages, scoped or not, from the base folder upwards", async () => {
    const inner = join(dir, "node_modules", "plain", "sub");
    for (const name of ["plain", "@scope/models"]) {
      const file = await loadModelFile(`npm:${name}/sub/m.onnx`, { baseDir: inner });
      expect(new TextDecoder().decode(file.bytes)).toBe(name);
    }
  });

  it("finds packages that this package depends on from any folder", () => {
    expect(resolveModelPath("npm:flatbuffers/package.json", { baseDir: dir })).toMatch(/node_modules[/\\]flatbuffers[/\\]package\.json$/);
  });

  it.each([
    ["missing.onnx", UsageError, /^model "missing\.onnx": no file /],
    [".", UsageError, /is a folder/],
    ["", UsageError, /the path is empty/],
    ["net.onnx/inner", UsageError, /no file/],
    ["empty.onnx", FormatError, /^model "empty\.onnx": the file is empty/],
    ["huge.onnx", FormatError, /2147483649 bytes, expected at most 2147483648/],
    ["npm:not-installed-here/m.onnx", UsageError, /npm package not-installed-here is not installed/],
    ["npm:plain", UsageError, /expected npm:PACKAGE\/PATH/],
    ["npm:@scope/models", UsageError, /expected npm:PACKAGE\/PATH/],
    ["npm:plain/../../secret", UsageError, /expected npm:PACKAGE\/PATH/],
    ["npm:../plain/m.onnx", UsageError, /expected npm:PACKAGE\/PATH/],
    ["npm:plain/sub/other.onnx", UsageError, /no file/],
  ] as const)("refuses %j", async (spec, kind, message) => {
    await expect(loadModelFile(spec, { baseDir: dir })).rejects.toThrow(kind);
    await expect(loadModelFile(spec, { baseDir: dir })).rejects.toThrow(message);
  });
});
