/** Builds small ONNX files for tests and runs ONNX files with onnxruntime, the oracle. */
import ort from "onnxruntime-node";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { importOnnx } from "../../../src/formats/onnx/import.ts";
import type { ImportOptions } from "../../../src/formats/options.ts";
import { encodeModel } from "../../../src/formats/onnx/proto.ts";
import { ELEM, onnxType, writeTensor } from "../../../src/formats/onnx/tensor.ts";
import { elementCount, type DType, type TypedArray } from "../../../src/graph/dtype.ts";
import { tensorOf } from "../../../src/graph/access.ts";
import type { Graph, Shape } from "../../../src/graph/ir.ts";
import { standardPasses } from "../../../src/graph/passes/index.ts";
import { runGraph } from "../../graph/run.ts";

/** A size, a symbol, or "" for an unnamed free dimension. */
export type Dim = number | string;

export interface TestTensor {
  readonly dtype?: DType;
  readonly shape: Shape;
  readonly data: TypedArray;
}

type AttributeValue =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | TestTensor;

export interface TestNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly name?: string;
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

export interface TestModel {
  readonly opset?: number;
  /** Version of ai.onnx.ml. */
  readonly mlOpset?: number;
  readonly inputs: Readonly<Record<string, readonly Dim[] | undefined>>;
  readonly inputTypes?: Readonly<Record<string, number>>;
  readonly initializers?: Readonly<Record<string, TestTensor>>;
  readonly nodes: readonly TestNode[];
  readonly outputs: readonly string[];
  readonly outputTypes?: Readonly<Record<string, number>>;
}

export function floats(shape: Shape, next: () => number): TestTensor {
  return { shape, data: Float32Array.from({ length: elementCount(shape) }, next) };
}

export function int64s(values: readonly number[]): TestTensor {
  return { dtype: "int64", shape: [values.length], data: Float64Array.from(values) };
}

function dtypeOf({ dtype, data }: TestTensor): DType {
  return (
    dtype ??
    (data instanceof Float32Array ? "float32" : data instanceof Int8Array ? "int8" : data instanceof Uint8Array ? "uint8" : "int32")
  );
}

function attribute(name: string, value: AttributeValue): object {
  if (typeof value === "number") return { name, type: 2, i: value };
  if (typeof value === "string") return { name, type: 3, s: new TextEncoder().encode(value) };
  if (Array.isArray(value)) return { name, type: 7, ints: value as number[] };
  if ("float" in value) return { name, type: 1, f: value.float };
  if ("strings" in value) return { name, type: 8, strings: value.strings.map((text) => new TextEncoder().encode(text)) };
  if ("floats" in value) return { name, type: 6, floats: value.floats };
  const tensor = value as TestTensor;
  return { name, type: 4, t: writeTensor("", dtypeOf(tensor), tensor.shape, tensor.data) };
}

export function onnxFile(model: TestModel): Uint8Array {
  const info = (name: string, elemType: number, dims: readonly Dim[] | undefined): object => ({
    name,
    type: {
      tensorType: {
        elemType,
        ...(dims && { shape: { dim: dims.map((d) => (typeof d === "number" ? { dimValue: d } : d === "" ? {} : { dimParam: d })) } }),
      },
    },
  });
  return encodeModel({
    irVersion: 8,
    opsetImport: [
      { domain: "", version: model.opset ?? 17 },
      { domain: "com.microsoft", version: 1 },
      { domain: "ai.onnx.ml", version: model.mlOpset ?? 3 },
    ],
    graph: {
      name: "test",
      node: model.nodes.map((node) => ({
        opType: node.op,
        name: node.name ?? "",
        domain: node.domain ?? "",
        input: node.inputs,
        output: node.outputs,
        attribute: Object.entries(node.attributes ?? {}).map(([key, value]) => attribute(key, value)),
      })),
      initializer: Object.entries(model.initializers ?? {}).map(([name, t]) => writeTensor(name, dtypeOf(t), t.shape, t.data)),
      input: Object.entries(model.inputs).map(([name, dims]) => info(name, model.inputTypes?.[name] ?? ELEM.FLOAT, dims)),
      output: model.outputs.map((name) => info(name, model.outputTypes?.[name] ?? ELEM.FLOAT, undefined)),
    },
  });
}

export function importTest(bytes: Uint8Array, options: Partial<ImportOptions> = {}): Graph {
  return importOnnx(bytes, { name: "test.onnx", evaluate: evaluateNode, ...options });
}

/** Imports, simplifies and runs on the CPU engine. */
export async function runOurs(
  bytes: Uint8Array,
  inputs: readonly TypedArray[],
  options: Partial<ImportOptions> = {},
): Promise<readonly TestTensor[]> {
  const graph = standardPasses(importTest(bytes, options), evaluateNode);
  const outputs = await runGraph(graph, inputs);
  return graph.outputs.map((name, i) => ({ dtype: tensorOf(graph, name).dtype, shape: tensorOf(graph, name).shape, data: outputs[i]! }));
}

/** @param inputs name → tensor */
export async function runOrt(bytes: Uint8Array, inputs: Readonly<Record<string, TestTensor>>): Promise<readonly TestTensor[]> {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4 });
  try {
    const feeds = Object.entries(inputs).map(([name, t]) => {
      const dtype = dtypeOf(t);
      const data = dtype === "int64" ? BigInt64Array.from(t.data, BigInt) : t.data;
      return [name, new ort.Tensor(dtype, data as Float32Array, [...t.shape])] as const;
    });
    const outputs = await session.run(Object.fromEntries(feeds));
    return session.outputNames.map((name) => {
      const tensor = outputs[name]!;
      const data = tensor.data as TypedArray | BigInt64Array;
      return { shape: tensor.dims, data: data instanceof BigInt64Array ? Float64Array.from(data, Number) : data };
    });
  } finally {
    await session.release();
  }
}

export { ELEM, onnxType };
