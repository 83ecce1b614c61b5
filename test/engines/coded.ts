/** Layers with compact codes of every kind, for the engines that execute them. */
import { GraphBuilder } from "../../src/graph/builder.ts";
import { decode } from "../../src/graph/code.ts";
import { elementCount } from "../../src/graph/dtype.ts";
import { toFloat16Bits } from "../../src/graph/float16.ts";
import type { Activation, Conv2DAttrs, Graph, Int4Code, WeightCode } from "../../src/graph/ir.ts";
import { validateGraph } from "../../src/graph/validate.ts";
import { random } from "./generated.ts";
import type { CaseTensor, OpCase } from "./vectors.ts";

export type CodeSpec =
  | { readonly kind: "codebook"; readonly values: number }
  | { readonly kind: "int4"; readonly block: number }
  | { readonly kind: "int8" }
  /** `special`: with infinities, NaNs, subnormals and zeros of both signs among the weights. */
  | { readonly kind: "float16"; readonly special?: boolean };

const SPECIAL = [0x7c00, 0xfc00, 0x7e01, 0xfe00, 1, 0x8001, 0x03ff, 0x0400, 0, 0x8000, 0x7bff];

export function randomCode(spec: CodeSpec, shape: readonly number[], seed: number): WeightCode {
  const rand = random(seed);
  const count = elementCount(shape);
  switch (spec.kind) {
    case "codebook":
      return {
        kind: "codebook",
        table: Float32Array.from({ length: spec.values }, () => rand() * 2 - 1),
        indices: Uint8Array.from({ length: count }, () => Math.floor(rand() * spec.values)),
      };
    case "int4": {
      const blocks = Math.ceil(count / shape[0]! / spec.block) * shape[0]!;
      const code: Int4Code = {
        kind: "int4",
        block: spec.block,
        scales: Float32Array.from({ length: blocks }, () => 0.05 + 0.1 * rand()),
        codes: Int8Array.from({ length: count }, () => Math.floor(rand() * 16) - 8),
      };
      return code;
    }
    case "int8":
      return {
        kind: "int8",
        axis: 0,
        scales: Float32Array.from({ length: shape[0]! }, () => 0.002 + 0.01 * rand()),
        codes: Int8Array.from({ length: count }, () => Math.floor(rand() * 256) - 128),
      };
    case "float16":
      return {
        kind: "float16",
        bits: Uint16Array.from({ length: count }, () =>
          spec.special === true && rand() < 0.2 ? SPECIAL[Math.floor(rand() * SPECIAL.length)]! : toFloat16Bits(rand() * 2 - 1),
        ),
      };
  }
}

export interface CodedLayer {
  readonly spec: CodeSpec;
  readonly seed: number;
  readonly activation?: Activation;
}

function add(
  layer: CodedLayer,
  input: readonly number[],
  shape: readonly number[],
  op: (b: GraphBuilder, inputs: string[]) => string,
): Graph {
  const rand = random(layer.seed + 1);
  const builder = new GraphBuilder("coded");
  const x = builder.input("x", "float32", input);
  const code = randomCode(layer.spec, shape, layer.seed);
  const w = builder.constant("w", "float32", shape, decode(code, shape), { code });
  const bias = builder.constant(
    "bias",
    "float32",
    [shape[0]!],
    Float32Array.from({ length: shape[0]! }, () => rand() * 2 - 1),
  );
  const graph = builder.finish([op(builder, [x, w, bias])]);
  validateGraph(graph);
  return graph;
}

export function codedDense(layer: CodedLayer, m: number, n: number, k: number): Graph {
  return add(layer, [m, k], [n, k], (b, inputs) =>
    b.add("Dense", "layer", inputs, layer.activation ? { activation: layer.activation } : {}),
  );
}

export function codedConv(
  layer: CodedLayer,
  input: readonly [number, number, number, number],
  outputs: number,
  kernel: readonly [number, number],
  attrs: Partial<Conv2DAttrs> = {},
): Graph {
  const all = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1, ...attrs } as const;
  const shape = [outputs, ...kernel, input[3] / all.groups];
  return add(layer, input, shape, (b, inputs) =>
    b.add("Conv2D", "layer", inputs, { ...all, ...(layer.activation && { activation: layer.activation }) }),
  );
}

export function inputOf(graph: Graph, seed = 1): Float32Array {
  const rand = random(seed);
  return Float32Array.from({ length: elementCount(graph.tensors.get("x")!.shape) }, () => rand() * 2 - 1);
}

/** Cases for every engine, whether or not it knows codes. */
export function codedCases(): OpCase[] {
  const specs: readonly CodeSpec[] = [
    { kind: "codebook", values: 16 },
    { kind: "codebook", values: 40 },
    { kind: "int4", block: 16 },
    { kind: "int8" },
    { kind: "float16" },
  ];
  return specs.flatMap((spec, i) => {
    const rand = random(i + 1);
    const values = (shape: readonly number[], constant = false): CaseTensor => ({
      dtype: "float32",
      shape,
      data: Float32Array.from({ length: elementCount(shape) }, () => rand() * 2 - 1),
      constant,
    });
    const weights = (shape: readonly number[]): CaseTensor => {
      const code = randomCode(spec, shape, i);
      return { dtype: "float32", shape, data: decode(code, shape), code, constant: true };
    };
    const name = Object.values(spec).join(" ");
    const output = (shape: readonly number[]): OpCase["output"] => ({ dtype: "float32", shape });
    const attrs = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1 } as const;
    const whole = { ...attrs, pads: [0, 0, 0, 0] } as const;
    return [
      {
        op: "Dense",
        name: `${name} weights`,
        attrs: {},
        inputs: [values([6, 37]), weights([11, 37]), values([11], true)],
        output: output([6, 11]),
      },
      {
        op: "Dense",
        name: `${name} weights, one row`,
        attrs: {},
        inputs: [values([1, 37]), weights([11, 37]), values([11], true)],
        output: output([1, 11]),
      },
      {
        op: "Conv2D",
        name: `${name} weights`,
        attrs,
        inputs: [values([1, 5, 6, 4]), weights([9, 3, 3, 4]), values([9], true)],
        output: output([1, 5, 6, 9]),
      },
      {
        op: "Conv2D",
        name: `${name} weights, 1×1`,
        attrs: whole,
        inputs: [values([1, 5, 6, 4]), weights([9, 1, 1, 4])],
        output: output([1, 5, 6, 9]),
      },
      {
        op: "DepthwiseConv2D",
        name: `${name} weights`,
        attrs: { ...attrs, groups: 4 },
        inputs: [values([1, 5, 6, 4]), weights([1, 3, 3, 4]), values([4], true)],
        output: output([1, 5, 6, 4]),
      },
    ];
  });
}
