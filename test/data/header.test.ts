import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readDataset, resolveDataset } from "../../src/data/index.ts";
import { FormatError } from "../../src/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-data-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;

/** Three int8 samples of [2, 1], unless the overrides say otherwise. @returns path of the header */
function dataset(overrides: Record<string, unknown> = {}, bytes: Uint8Array | null = Uint8Array.of(1, 2, 3, 252, 255, 128)): string {
  const name = `set${files++}`;
  if (bytes !== null) writeFileSync(join(folder, `${name}.bin`), bytes);
  const header = {
    name: "three",
    task: "classification",
    input: { dtype: "int8", shape: [2, 1] },
    data: `${name}.bin`,
    labels: [0, 2, 1],
    classes: 3,
    ...overrides,
  };
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify(header));
  return path;
}

function raw(text: string): string {
  const path = join(folder, `raw${files++}.json`);
  writeFileSync(path, text);
  return path;
}

describe("readDataset", () => {
  it("reads samples in order, in the header's type", () => {
    const set = readDataset(dataset());
    expect(set).toMatchObject({ name: "three", task: "classification", classes: 3, count: 3, labels: [0, 2, 1] });
    expect(set.input).toEqual({ dtype: "int8", shape: [2, 1] });
    expect(Array.from({ length: 3 }, (_, i) => set.sample(i))).toEqual([Int8Array.of(1, 2), Int8Array.of(3, -4), Int8Array.of(-1, -128)]);
  });

  it("reads little-endian floats at any offset", () => {
    const values = Float32Array.of(0.5, -1.25, 3e-20, 7, 8, 9);
    const path = dataset({ input: { dtype: "float32", shape: [2, 1] } }, new Uint8Array(values.buffer));
    expect(readDataset(path).sample(1)).toEqual(Float32Array.of(values[2]!, 7));
  });

  it("decodes samples stored as bytes", () => {
    const path = dataset({ input: { dtype: "float32", shape: [2], stored: { dtype: "uint8", scale: 2 / 255, offset: -1 } } });
    expect(readDataset(path).sample(1)).toEqual(Float32Array.of((3 * 2) / 255 - 1, (252 * 2) / 255 - 1));
  });

  it("takes a scalar sample", () => {
    const set = readDataset(dataset({ input: { dtype: "int8", shape: [] } }, Uint8Array.of(5, 6, 7)));
    expect(set.sample(2)).toEqual(Int8Array.of(7));
  });

  it("hands out copies", () => {
    const set = readDataset(dataset());
    set.sample(0)[0] = 99;
    expect(set.sample(0)[0]).toBe(1);
  });

  it.each([-1, 3, 0.5, NaN])("refuses sample %s of three", (index) => {
    expect(() => readDataset(dataset()).sample(index)).toThrow(RangeError);
  });

  it("notices a data file that shrank after the header was checked", () => {
    const path = dataset();
    const set = readDataset(path);
    writeFileSync(path.replace(/json$/, "bin"), Uint8Array.of(1));
    expect(() => set.sample(0)).toThrow(/1 bytes, expected 6/);
  });
});

describe("a wrong dataset", () => {
  const float = { dtype: "float32", shape: [2, 1] };
  it.each<[string, () => string, RegExp]>([
    ["missing header", () => join(folder, "nowhere.json"), /nowhere\.json: dataset header not found/],
    ["folder for a header", () => folder, /dataset header is not a file/],
    ["empty header", () => raw(""), /is empty, expected JSON/],
    ["header that is not JSON", () => raw("\u0000\u0001{"), /is not JSON/],
    ["truncated header", () => raw('{"name":"three",'), /is not JSON/],
    ["header that is no object", () => raw("[1]"), /header: invalid input: expected object/],
    ["missing field", () => dataset({ labels: undefined }), /labels: invalid input: expected array/],
    ["unknown field", () => dataset({ lables: [1] }), /unrecognized key: "lables"/],
    ["another task", () => dataset({ task: "detection" }), /task: invalid input: expected "classification"/],
    [
      "unknown dtype",
      () => dataset({ input: { dtype: "float16", shape: [2, 1] } }),
      /input\.dtype: invalid option: expected one of "float32"/,
    ],
    ["negative dimension", () => dataset({ input: { dtype: "int8", shape: [2, -1] } }), /input\.shape\.1/],
    ["fractional dimension", () => dataset({ input: { dtype: "int8", shape: [1.5] } }), /input\.shape\.0/],
    ["no labels", () => dataset({ labels: [] }, new Uint8Array(0)), /labels: too small/],
    ["label of no class", () => dataset({ labels: [0, 3, 1] }), /label of sample 1 is 3, expected 0 to 2 \(classes is 3\)/],
    ["negative label", () => dataset({ labels: [0, -1, 1] }), /labels\.1/],
    ["fractional label", () => dataset({ labels: [0, 0.5, 1] }), /labels\.1/],
    ["one class", () => dataset({ classes: 1 }), /classes: too small/],
    ["missing data", () => dataset({}, null), /\.bin: data file of set\d+\.json not found/],
    ["empty data", () => dataset({}, new Uint8Array(0)), /0 bytes, expected 6 \(3 labels × 2 bytes for \[2, 1\] int8\)/],
    ["a byte too few", () => dataset({}, new Uint8Array(5)), /5 bytes, expected 6/],
    ["a byte too many", () => dataset({}, new Uint8Array(7)), /7 bytes, expected 6/],
    ["type of another size", () => dataset({ input: float }), /6 bytes, expected 24 \(3 labels × 8 bytes for \[2, 1\] float32\)/],
    ["a label too few", () => dataset({ labels: [0, 1] }), /6 bytes, expected 4/],
    ["huge sample", () => dataset({ input: { dtype: "int8", shape: [1_000_000, 1_000_000, 1_000_000] } }), /expected at most 2147483648/],
    [
      "bytes for integers",
      () => dataset({ input: { dtype: "int8", shape: [2, 1], stored: { dtype: "uint8", scale: 1, offset: 0 } } }),
      /goes with dtype float32/,
    ],
    ["data that is a folder", () => dataset({ data: "." }), /is not a file/],
  ])("%s", (_, make, message) => {
    const path = make();
    let thrown: unknown;
    try {
      readDataset(path);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(FormatError);
    const error = thrown as FormatError;
    expect(error.message).toMatch(message);
    expect(error.message).toContain(folder);
    expect(error.message).not.toContain("\n");
    expect(error.remedy).not.toBe("");
    expect(error.exitCode).toBe(2);
  });
});

describe("resolveDataset", () => {
  it("finds a header's calibration set beside it", async () => {
    const other = dataset();
    const path = dataset({ calibration: other.slice(folder.length + 1) });
    expect(await resolveDataset(path, "test")).toBe(path);
    expect(await resolveDataset(path, "train")).toBe(other);
  });

  it("gives the set itself where no other is named", async () => {
    const path = dataset();
    expect(await resolveDataset(path, "train")).toBe(path);
  });

  it.each(["imagenet", "constructor", ""])("refuses the name %j", async (name) => {
    await expect(resolveDataset(name, "test")).rejects.toThrow(FormatError);
  });
});
