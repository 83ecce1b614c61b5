/** Imports a model by what its bytes are, not by its name, and brings it into the form that engines and recipes expect. */
import { FormatError } from "../errors.ts";
import type { Graph } from "../graph/ir.ts";
import { standardPasses } from "../graph/passes/index.ts";
import { validateGraph } from "../graph/validate.ts";
import { importOnnx } from "./onnx/import.ts";
import type { ImportOptions } from "./options.ts";
import { importSlim } from "./slim/import.ts";
import { startsLikeSlim } from "./slim/prefix.ts";
import { importTflite } from "./tflite/import.ts";
import { importTrees, looksLikeTrees } from "./tree/read.ts";

const REMEDY = "Give an .onnx, a .tflite or a .slim file, or decision trees as .json.";

/**
 * Reads, simplifies and validates a model.
 * @throws FormatError (what the file looks like instead, or where it is damaged), UnsupportedError, ShapeError
 */
export function importModel(bytes: Uint8Array, options: ImportOptions): Graph {
  // An archive holds a graph as it left our own passes and recipes: it stays as it is.
  if (startsLikeSlim(bytes)) return importSlim(bytes, options);
  const graph = importBytes(bytes, options);
  validateGraph(graph);
  const simplified = standardPasses(graph, options.evaluate);
  validateGraph(simplified);
  return simplified;
}

function importBytes(bytes: Uint8Array, options: ImportOptions): Graph {
  const trees = readTreesText(bytes, options.name);
  if (trees !== undefined) return importTrees(trees, options);
  return detectFormat(bytes, options.name) === "tflite" ? importTflite(bytes, options) : importOnnx(bytes, options);
}

/** Decision trees as JSON; undefined where the bytes are something else. @throws FormatError for damaged ones */
function readTreesText(bytes: Uint8Array, name: string): Readonly<Record<string, unknown>> | undefined {
  if (!/^\s*\{/.test(ascii(bytes, 0, Math.min(bytes.length, 64)))) return undefined;
  const text = new TextDecoder().decode(bytes);
  try {
    const value: unknown = JSON.parse(text);
    return looksLikeTrees(value) ? value : undefined;
  } catch (error) {
    if (!/"(children_left|trees)"/.test(text)) return undefined;
    throw new FormatError(
      `${name}: decision trees as JSON, but ${error instanceof Error ? error.message : "unreadable"}`,
      "Get the file again",
      error,
    );
  }
}

/**
 * TFLite by its identifier; ONNX when the bytes can start its protobuf message, which has no identifier.
 * @throws FormatError
 */
export function detectFormat(bytes: Uint8Array, name: string): "onnx" | "tflite" {
  if (bytes.length === 0) throw new FormatError(`${name}: the file is empty, expected an ONNX or TFLite model`, REMEDY);
  if (ascii(bytes, 4, 4) === "TFL3") return "tflite";
  const other = recognizeOther(bytes);
  if (other !== undefined) throw new FormatError(`${name}: looks like ${other}, expected an ONNX or TFLite model`, REMEDY);
  if (!startsLikeOnnx(bytes)) {
    const start = [...bytes.subarray(0, 8)].map((b) => b.toString(16).padStart(2, "0")).join(" ");
    throw new FormatError(`${name}: starts with the bytes ${start}, expected an ONNX or TFLite model`, REMEDY);
  }
  return "onnx";
}

function ascii(bytes: Uint8Array, start: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(start, start + length));
}

/** Files that people take for a model here. */
function recognizeOther(bytes: Uint8Array): string | undefined {
  const head = ascii(bytes, 0, 16);
  if (head.startsWith("\x89HDF\r\n")) return "a Keras .h5 file";
  if (head.startsWith("GGUF")) return "a GGUF file";
  if (head.startsWith("\x93NUMPY")) return "a .npy array";
  if (head.startsWith("\x1f\x8b")) return "a gzip archive";
  if (head.startsWith("\x80\x02") || head.startsWith("\x80\x04")) return "a Python pickle (.pt, .pkl)";
  if (head.startsWith("PK\x03\x04")) {
    const start = ascii(bytes, 0, Math.min(bytes.length, 256));
    if (start.includes("data.pkl") || start.includes("/version")) return "a PyTorch .pt archive";
    if (start.includes("config.json") || start.includes("metadata.json")) return "a .keras archive";
    return "a zip archive";
  }
  if (head.startsWith("version https://")) return "a Git LFS pointer, not the file itself";
  if (ascii(bytes, 8, 2) === '{"') return "a .safetensors file";
  const text = head.trimStart();
  if (text.startsWith("{") || text.startsWith("[")) return "JSON text";
  if (text.startsWith("<")) return "an HTML or XML page";
  return undefined;
}

/** An ONNX ModelProto starts, as every writer emits it, with one of its fields 1–8, 14, 20 or 25 and that field's wire type. */
function startsLikeOnnx(bytes: Uint8Array): boolean {
  const wireTypes: Readonly<Record<number, number>> = { 1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2 };
  let tag = bytes[0]!;
  if (tag & 0x80) tag = (tag & 0x7f) | (((bytes[1] ?? 0) & 0x7f) << 7);
  return wireTypes[tag >> 3] === (tag & 7);
}
