/** A model as the user names it (path, `npm:PACKAGE/PATH` or `kernel:SHAPE`) → its bytes and its graph, passes applied. Formats load lazily. */
import type { Graph, Shape } from "../graph/ir.ts";
import { isKernelModel, parseShapeText, shapeText } from "./kernels/shape.ts";

export interface OpenedModel {
  readonly graph: Graph;
  /** The file itself: what the original weighs on disk. */
  readonly bytes: Uint8Array;
  /** Absolute path of the file. */
  readonly path: string;
  /** File name without its extension. */
  readonly name: string;
}

export interface OpenOptions {
  /** Dynamic dimensions bound at load: input name → full shape. */
  readonly shapes?: ReadonlyMap<string, Shape>;
}

/** @throws FormatError, UnsupportedError, ShapeError, UsageError: each names the file and what to do */
export async function openModel(spec: string, options: OpenOptions = {}): Promise<OpenedModel> {
  if (isKernelModel(spec)) return makeModel(spec);
  const [{ loadModelFile }, { importModel }, { evaluateNode }] = await Promise.all([
    import("../formats/source.ts"),
    import("../formats/detect.ts"),
    import("../engines/cpu/evaluate.ts"),
  ]);
  const file = await loadModelFile(spec);
  const name = file.name.replace(/\.(onnx|tflite|slim|json)$/i, "");
  const shapes = options.shapes === undefined ? {} : { shapes: options.shapes };
  return {
    graph: importModel(file.bytes, { name: file.name, evaluate: evaluateNode, ...shapes }),
    bytes: file.bytes,
    path: file.path,
    name,
  };
}

/** A model of one layer, made from its shape. */
async function makeModel(spec: string): Promise<OpenedModel> {
  const [{ kernelGraph }, { exportOnnx }] = await Promise.all([import("./kernels/model.ts"), import("../formats/onnx/export.ts")]);
  const shape = parseShapeText(spec);
  const graph = kernelGraph(shape);
  const text = shapeText(shape);
  return { graph, bytes: exportOnnx(graph), path: text, name: text };
}
