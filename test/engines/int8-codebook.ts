/** Integer layers whose outputs share a few int8 values each, for the engines that execute the indices. */
import { GraphBuilder } from "../../src/graph/builder.ts";
import { decode } from "../../src/graph/code.ts";
import { createArray, elementCount } from "../../src/graph/dtype.ts";
import type { Activation, Conv2DAttrs, Graph, Int8CodebookCode } from "../../src/graph/ir.ts";
import { validateGraph } from "../../src/graph/validate.ts";
import { grid, random } from "./generated.ts";
import type { CaseTensor, OpCase } from "./vectors.ts";

export interface CodebookSpec {
  readonly values: number;
  readonly seed: number;
  /** Largest weight, 127 unless said. */
  readonly limit?: number;
  readonly dtype?: "int8" | "uint8";
  readonly activation?: Activation;
}

type Image = readonly [n: number, height: number, width: number, channels: number];

function build(
  { values, seed, limit = 127, dtype = "int8" }: CodebookSpec,
  input: readonly number[],
  shape: readonly number[],
  output: readonly number[],
  op: (b: GraphBuilder, inputs: string[], output: { quant: ReturnType<typeof grid>; dtype: "int8" | "uint8" }) => string,
): Graph {
  const rand = random(seed);
  const channels = shape[0]!;
  const byte = (): number => Math.floor(rand() * (2 * limit + 1)) - limit;
  const code: Int8CodebookCode = {
    kind: "int8Codebook",
    values,
    table: Int8Array.from({ length: channels * values }, byte),
    indices: Uint8Array.from({ length: elementCount(shape) }, () => Math.floor(rand() * values)),
  };
  const k = elementCount(shape) / channels;
  const inputScale = 0.02;
  const scales = Float32Array.from({ length: channels }, () => 0.001 + 0.01 * rand());
  const b = new GraphBuilder("codebook");
  const x = b.input("x", dtype, input, grid(inputScale, dtype === "int8" ? -11 : 100));
  const w = b.constant("w", "int8", shape, decode(code, shape), {
    code,
    quant: { scales, zeroPoints: new Int32Array(channels), axis: 0 },
  });
  const bias = b.constant(
    "bias",
    "int32",
    [channels],
    Int32Array.from({ length: channels }, () => Math.floor(rand() * 4000) - 2000),
    { quant: { scales: scales.map((s) => s * inputScale), zeroPoints: new Int32Array(channels), axis: 0 } },
  );
  // Sums of k products spread as sqrt(k): most of the output's range is used, and some of it saturates.
  const out = { quant: grid(0.0035 * Math.sqrt(k), 7), dtype };
  const graph = b.finish([op(b, [x, w, bias], out)]);
  validateGraph(graph);
  if (elementCount(graph.tensors.get(graph.outputs[0]!)!.shape) !== elementCount(output)) throw new Error("unexpected shape");
  return graph;
}

export function codebookDense(spec: CodebookSpec, m: number, n: number, k: number): Graph {
  const activation = spec.activation && { activation: spec.activation };
  return build(spec, [m, k], [n, k], [m, n], (b, inputs, output) => b.add("Dense", "layer", inputs, { ...activation }, output));
}

export function codebookConv(
  spec: CodebookSpec,
  input: Image,
  outputs: number,
  kernel: readonly [number, number],
  attrs: Partial<Conv2DAttrs> = {},
): Graph {
  const all = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1, ...attrs } as const;
  const size = (axis: 0 | 1): number =>
    Math.floor(
      (input[1 + axis]! + all.pads[axis] + all.pads[axis + 2]! - all.dilations[axis] * (kernel[axis] - 1) - 1) / all.strides[axis],
    ) + 1;
  return build(spec, input, [outputs, ...kernel, input[3] / all.groups], [input[0], size(0), size(1), outputs], (b, inputs, output) =>
    b.add("Conv2D", "layer", inputs, { ...all, ...(spec.activation && { activation: spec.activation }) }, output),
  );
}

/** Every byte that the input's dtype has, in a random order. */
export function codebookInput(graph: Graph, seed = 1): Int8Array | Uint8Array {
  const rand = random(seed);
  const { dtype, shape } = graph.tensors.get("x")!;
  const data = createArray(dtype, elementCount(shape)) as Int8Array | Uint8Array;
  return data.map(() => Math.floor(rand() * 256) - (dtype === "int8" ? 128 : 0));
}

/** Cases for every engine, whether or not it knows the code; expected values are the oracle's. */
export function int8CodebookCases(): OpCase[] {
  return (["int8", "uint8"] as const).flatMap((dtype) => {
    const spec = { values: 16, seed: 3, dtype };
    return [
      caseOf(`${dtype}, 16 shared values an output`, codebookDense(spec, 9, 11, 37)),
      caseOf(`${dtype}, 16 shared values an output, one row`, codebookDense({ ...spec, values: 7 }, 1, 11, 37)),
      caseOf(`${dtype}, 16 shared values an output`, codebookConv(spec, [1, 5, 6, 5], 9, [3, 3], { pads: [1, 1, 1, 1] })),
      caseOf(`${dtype}, 16 shared values an output, 1×1`, codebookConv(spec, [1, 5, 6, 4], 9, [1, 1])),
      caseOf(`${dtype}, 16 shared values an output, groups`, codebookConv(spec, [1, 5, 6, 6], 6, [3, 3], { groups: 3 })),
    ];
  });
}

function caseOf(name: string, graph: Graph): OpCase {
  const node = graph.nodes[0]!;
  const inputs = node.inputs.map((input): CaseTensor => {
    const { dtype, shape, quant, code, data } = graph.tensors.get(input)!;
    return {
      dtype,
      shape,
      data: data ?? codebookInput(graph),
      constant: data !== undefined,
      ...(quant && { quant }),
      ...(code && { code }),
    };
  });
  const { dtype, shape, quant } = graph.tensors.get(graph.outputs[0]!)!;
  return {
    op: node.op as OpCase["op"],
    name,
    attrs: node.attrs as OpCase["attrs"],
    inputs,
    output: { dtype, shape, ...(quant && { quant }) },
  };
}
