/**
 * TFLite → graph. TFLite is NHWC with weights [O, KH, KW, I] like our IR, so layouts pass through; SAME/VALID becomes explicit pads and
 * fused activations become attributes. Shapes are inferred anew from the inputs and checked against those that the file states.
 */
import { FormatError, ShapeError, UnsupportedError, formatShape } from "../../errors.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import type { Graph, Shape } from "../../graph/ir.ts";
import type { ImportOptions } from "../options.ts";
import { OpContext, type ImportState } from "./context.ts";
import { IMPORTERS } from "./ops/index.ts";
import { readModel, type FileModel, type FileTensor } from "./schema.ts";
import { constantData, describeTensor, dtypeOf, quantizationOf, shapeOf } from "./tensors.ts";

/**
 * Imports the main subgraph. Not yet simplified: run the standard passes on the result.
 * @throws FormatError when the file is damaged, UnsupportedError naming the operator and its index, ShapeError
 */
export function importTflite(bytes: Uint8Array, options: ImportOptions): Graph {
  const model = readModel(bytes, options.name);
  refuseUnknownOperators(model, options.name);
  const builder = new GraphBuilder(options.name);
  const names = new Map<number, string>();
  const rebound = defineInputs(model, builder, names, options);
  defineConstants(model, builder, names, options);
  const state: ImportState = { model, builder, options, names, rebound };
  for (const operator of model.operators) {
    const op: OpContext = new OpContext(state, operator);
    const importer = IMPORTERS.get(operator.op);
    if (importer === undefined) op.unsupported("not supported");
    importer(op);
    operator.outputs.forEach((index, i) => {
      const { name } = op.output(i);
      if (!builder.has(name)) op.unsupported(`output ${i} is not supported`);
      names.set(index, name);
    });
  }
  const outputs = [...model.outputs].map((index) => {
    const name = names.get(index);
    if (name === undefined) throw new FormatError(`${options.name}: output tensor ${index} is written by no operator`);
    return name;
  });
  if (outputs.length === 0) throw new FormatError(`${options.name}: the model has no outputs`);
  return builder.finish(outputs);
}

/** All at once, before any work: a user wants to see the whole list. */
function refuseUnknownOperators(model: FileModel, name: string): void {
  const unknown = model.operators.filter((operator) => !IMPORTERS.has(operator.op));
  const first = unknown[0];
  if (first === undefined) return;
  const others = [...new Set(unknown.map((operator) => operator.op))].filter((op) => op !== first.op).slice(0, 8);
  throw new UnsupportedError(
    `${name}: operator ${first.index} (${first.op}) is not supported${others.length > 0 ? `, nor are ${others.join(", ")}` : ""}`,
    "Convert the model without it, or export it as ONNX.",
  );
}

/** Defines the graph's inputs. Returns whether one got another shape than the file's. */
function defineInputs(model: FileModel, builder: GraphBuilder, names: Map<number, string>, options: ImportOptions): boolean {
  const unused = new Set([...(options.shapes?.keys() ?? []), ...(options.constants?.keys() ?? [])]);
  let rebound = false;
  for (const index of model.inputs) {
    const tensor = fileTensor(model, index, "graph input");
    if (names.has(index)) model.file.fail(`${describeTensor(tensor)} is listed twice as an input`);
    const name = builder.unique(tensor.name === "" ? `tensor_${index}` : tensor.name);
    const dtype = dtypeOf(tensor, options.name);
    const constant = options.constants?.get(name);
    unused.delete(name);
    if (tensor.type === "FLOAT16") throw new UnsupportedError(`${options.name}: input "${name}" is float16, which is not supported`);
    if (constant !== undefined) {
      builder.constant(name, constant.dtype, constant.shape, constant.data);
    } else {
      const shape = boundShape(model, tensor, name, options);
      rebound ||= formatShape(shape) !== formatShape(shapeOf(model, tensor));
      builder.input(name, dtype, shape, quantizationOf(model, tensor, dtype));
    }
    names.set(index, name);
  }
  for (const name of unused) {
    throw new ShapeError(`${options.name}: no input "${name}", expected one of ${[...names.values()].map((n) => `"${n}"`).join(", ")}`);
  }
  return rebound;
}

/** The shape given by the user where there is one; dimensions that the file fixes must agree. */
function boundShape(model: FileModel, tensor: FileTensor, name: string, options: ImportOptions): Shape {
  const own = shapeOf(model, tensor);
  const given = options.shapes?.get(name);
  if (given === undefined) return own;
  const signature = tensor.signature.length === own.length ? [...tensor.signature] : own;
  if (given.length !== own.length || signature.some((d, i) => d >= 0 && d !== given[i])) {
    const expected = signature.map((d) => (d < 0 ? "?" : String(d))).join(", ");
    throw new ShapeError(`${options.name}: input "${name}" is given shape ${formatShape(given)}, expected [${expected}]`);
  }
  return given;
}

/** Every tensor with data that is no graph input. */
function defineConstants(model: FileModel, builder: GraphBuilder, names: Map<number, string>, options: ImportOptions): void {
  const written = new Set<number>();
  const read = new Set<number>(model.outputs);
  for (const operator of model.operators) {
    for (const index of operator.outputs) written.add(index);
    for (const index of operator.inputs) read.add(index);
  }
  for (const index of read) {
    if (index === -1 || names.has(index) || written.has(index)) continue;
    const tensor = fileTensor(model, index, "an operator");
    const dtype = dtypeOf(tensor, options.name);
    const shape = shapeOf(model, tensor);
    const data = constantData(model, tensor, dtype, shape);
    if (data === undefined) continue;
    const name = builder.unique(tensor.name === "" ? `tensor_${index}` : tensor.name);
    const quant = quantizationOf(model, tensor, dtype);
    builder.constant(name, dtype, shape, data, quant && { quant });
    names.set(index, name);
  }
}

function fileTensor(model: FileModel, index: number, reader: string): FileTensor {
  const tensor = model.tensors[index];
  if (tensor === undefined) model.file.fail(`${reader} refers to tensor ${index}, there are ${model.tensors.length}`);
  return tensor;
}
