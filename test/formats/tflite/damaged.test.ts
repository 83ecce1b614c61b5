/** Damaged TFLite files: every way out is one of our errors, in bounded time and memory. Seeds are printed on failure. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { FormatError, SlimbenchError } from "../../../src/errors.ts";
import { importModel } from "../../../src/formats/detect.ts";
import { importTflite } from "../../../src/formats/tflite/import.ts";
import { seededRandom } from "../../graph/run.ts";
import { oneOperator, smallNet, writeTflite } from "./write.ts";

const options = { name: "t.tflite", evaluate: evaluateNode };
const TINY = new URL("../../../../shared/tiny/", import.meta.url);

describe("single faults are named", () => {
  const file = smallNet();

  it("truncation, at every length", () => {
    for (let length = 8; length < file.length; length += 3) {
      expect(() => importTflite(file.subarray(0, length), options), `length ${length}`).toThrow(SlimbenchError);
    }
    expect(() => importTflite(file.subarray(0, 200), options)).toThrow(/^t\.tflite: .*reaches byte \d+, the file has 200$/);
  });

  it("a wrong identifier or schema version", () => {
    const bytes = file.slice();
    bytes[4] = 0x58;
    expect(() => importTflite(bytes, options)).toThrow('no TFLite identifier, expected "TFL3" at byte 4');
    const old = writeTflite({ tensors: [], operators: [], inputs: [], outputs: [], version: 2 });
    expect(() => importTflite(old, options)).toThrow("schema version 2, expected 3");
  });

  it("a root offset beyond the file", () => {
    const bytes = file.slice();
    new DataView(bytes.buffer).setUint32(0, 0xfffffff0, true);
    expect(() => importTflite(bytes, options)).toThrow(FormatError);
  });

  it("a constant shorter than its shape", () => {
    const bytes = oneOperator(
      "ADD",
      { name: "x", shape: [3], type: "FLOAT32" },
      [{ name: "c", shape: [3], type: "FLOAT32", data: Float32Array.of(1, 2) }],
      { name: "y", shape: [3], type: "FLOAT32" },
    );
    expect(() => importTflite(bytes, options)).toThrow('tensor 1 "c" has 8 bytes of data, expected 12 for FLOAT32 [3]');
  });

  it("a shape of billions of elements is refused before anything is allocated", () => {
    const bytes = oneOperator("RELU", { name: "x", shape: [65536, 65536], type: "FLOAT32" }, [], {
      name: "y",
      shape: [1],
      type: "FLOAT32",
    });
    expect(() => importTflite(bytes, options)).toThrow(/tensor 0 "x" has shape \[65536, 65536\], expected at most/);
  });

  it("scales that do not match the axis, and scales that are not positive", () => {
    const make = (scales: number[], zeroPoints: number[]): Uint8Array =>
      oneOperator("RELU", { name: "x", shape: [3], type: "INT8", quant: { scales, zeroPoints } }, [], {
        name: "y",
        shape: [3],
        type: "INT8",
      });
    expect(() => importTflite(make([1, 2], [0, 0]), options)).toThrow('tensor 0 "x" has 2 scales and 2 zero points for axis 0 of [3]');
    expect(() => importTflite(make([0], [0]), options)).toThrow("is not a positive finite number");
    expect(() => importTflite(make([1], [500]), options)).toThrow("zero point outside -128 to 127");
  });

  it("an operator that reads what nothing writes, or writes a tensor twice", () => {
    const t = (name: string): { name: string; shape: number[]; type: "FLOAT32" } => ({ name, shape: [1], type: "FLOAT32" });
    const gap = writeTflite({
      tensors: [t("x"), t("a"), t("y")],
      operators: [{ op: "ADD", inputs: [0, 1], outputs: [2] }],
      inputs: [0],
      outputs: [2],
    });
    expect(() => importTflite(gap, options)).toThrow("operator 0 (ADD): reads tensor 1, which no earlier operator writes");
    const twice = writeTflite({
      tensors: [t("x"), t("y")],
      operators: [
        { op: "RELU", inputs: [0], outputs: [1] },
        { op: "ABS", inputs: [0], outputs: [1] },
      ],
      inputs: [0],
      outputs: [1],
    });
    expect(() => importTflite(twice, options)).toThrow("operator 1 (ABS): writes tensor 1, which is already written");
  });

  it("names with line breaks, or of great length, keep messages on one short line", () => {
    for (const name of ["a\nb", "n".repeat(5000)]) {
      const bytes = oneOperator("RELU", { name, shape: [65536, 65536], type: "FLOAT32" }, [], { name: "y", shape: [1], type: "FLOAT32" });
      expect(() => importTflite(bytes, options)).toThrow(/^t\.tflite: tensor 0 "(a\?b|n+…)" has shape .{0,200}$/);
    }
  });

  it("overlapping vectors do not multiply the work", () => {
    const big = writeTflite({
      tensors: [{ name: "n".repeat(20_000), shape: [1], type: "FLOAT32" }],
      operators: [],
      inputs: [0],
      outputs: [0],
      repeatFirstTensor: 10_000,
    });
    const start = process.memoryUsage().heapUsed;
    expect(() => importTflite(big, options)).toThrow("its parts overlap so often");
    expect(process.memoryUsage().heapUsed - start).toBeLessThan(100 * 2 ** 20);
  });
});

/** Flips, overwrites, inserts and cuts; always inside the seed's control. */
function mutate(file: Uint8Array, random: () => number): Uint8Array {
  const bytes = file.slice();
  const edits = 1 + Math.floor(random() * 8);
  for (let e = 0; e < edits; e++) {
    const at = Math.floor(random() * bytes.length);
    switch (Math.floor(random() * 4)) {
      case 0:
        bytes[at] = bytes[at]! ^ (1 << Math.floor(random() * 8));
        break;
      case 1:
        bytes[at] = [0, 1, 127, 128, 255][Math.floor(random() * 5)]!;
        break;
      case 2:
        bytes.fill(random() < 0.5 ? 0 : 255, at, at + 4);
        break;
      default:
        bytes.copyWithin(at, Math.floor(random() * bytes.length), Math.floor(random() * bytes.length));
    }
  }
  return random() < 0.1 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes;
}

/** Mutations in the first kilobytes and near the end hit structure rather than weights. */
function fuzz(file: Uint8Array, rounds: number, seed: number, open: (bytes: Uint8Array) => unknown): { accepted: number; refused: number } {
  const counts = { accepted: 0, refused: 0 };
  for (let round = 0; round < rounds; round++) {
    const bytes = mutate(file, seededRandom(seed + round));
    try {
      open(bytes);
      counts.accepted++;
    } catch (error) {
      if (!(error instanceof SlimbenchError)) throw new Error(`seed ${seed + round}: ${String(error)}`, { cause: error });
      expect(error.message, `seed ${seed + round}`).not.toContain("\n");
      counts.refused++;
    }
  }
  return counts;
}

describe("mutated files", () => {
  it("of a small net", () => {
    const counts = fuzz(smallNet(), 6000, 1, (bytes) => importModel(bytes, options));
    expect(counts.refused).toBeGreaterThan(1000);
    expect(counts.accepted).toBeGreaterThan(100);
  });

  it.skipIf(!existsSync(new URL("kws_ref_model.tflite", TINY)))("of real files (skipped where ../shared/tiny is absent)", () => {
    for (const name of ["kws_ref_model.tflite", "pretrainedResnet.tflite"]) {
      const counts = fuzz(new Uint8Array(readFileSync(new URL(name, TINY))), 300, 7000, (bytes) => importModel(bytes, options));
      expect(counts.refused, name).toBeGreaterThan(20);
    }
  });

  it("the harness itself notices a foreign error", () => {
    expect(() => fuzz(smallNet(), 1, 1, () => [].map(null as never))).toThrow(/seed 1: TypeError/);
  });
});
