/** Layers that quantize their input at run time, and what they compute, from the definition, for the engines that execute them. */
import { GraphBuilder } from "../../src/graph/builder.ts";
import { elementCount } from "../../src/graph/dtype.ts";
import type { Activation, Conv2DAttrs, Graph } from "../../src/graph/ir.ts";
import { validateGraph } from "../../src/graph/validate.ts";
import { random } from "./generated.ts";

export interface DynamicSpec {
  readonly seed: number;
  readonly activation?: Activation;
  readonly perTensor?: boolean;
  readonly noBias?: boolean;
}

function build(
  { seed, perTensor = false, noBias = false }: DynamicSpec,
  input: readonly number[],
  shape: readonly number[],
  op: (b: GraphBuilder, inputs: string[]) => string,
): Graph {
  const rand = random(seed);
  const b = new GraphBuilder("dynamic");
  const x = b.input("x", "float32", input);
  const channels = perTensor ? 1 : shape[0]!;
  const scales = Float32Array.from({ length: channels }, () => 0.001 + 0.01 * rand());
  const quant = { scales, zeroPoints: new Int32Array(channels), ...(!perTensor && { axis: 0 }) };
  const w = b.constant(
    "w",
    "int8",
    shape,
    Int8Array.from({ length: elementCount(shape) }, () => Math.floor(rand() * 256) - 128),
    { quant },
  );
  const bias = noBias
    ? []
    : [
        b.constant(
          "bias",
          "float32",
          [shape[0]!],
          Float32Array.from({ length: shape[0]! }, () => rand() * 2 - 1),
        ),
      ];
  const graph = b.finish([op(b, [x, w, ...bias])]);
  validateGraph(graph);
  return graph;
}

export function dynamicDense(spec: DynamicSpec, m: number, n: number, k: number): Graph {
  const { activation } = spec;
  return build(spec, [m, k], [n, k], (b, inputs) => b.add("Dense", "layer", inputs, { dynamic: true, ...(activation && { activation }) }));
}

export function dynamicConv(
  spec: DynamicSpec,
  input: readonly [number, number, number, number],
  outputs: number,
  kernel: readonly [number, number],
  attrs: Partial<Conv2DAttrs> = {},
): Graph {
  const { activation } = spec;
  const all = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1, ...attrs } as const;
  return build(spec, input, [outputs, ...kernel, input[3] / all.groups], (b, inputs) =>
    b.add("Conv2D", "layer", inputs, { ...all, dynamic: true, ...(activation && { activation }) }),
  );
}

/** Values of both signs, or not negative, or all zero. */
export function dynamicInput(graph: Graph, seed: number, kind: "signed" | "positive" | "zero" = "signed"): Float32Array {
  const rand = random(seed);
  const length = elementCount(graph.tensors.get("x")!.shape);
  return Float32Array.from({ length }, () => (kind === "zero" ? 0 : kind === "positive" ? rand() * 3 : rand() * 3 - 1));
}

/** Graphs at every remainder of the tiles, with strides, pads, dilations, groups and batches. */
export function dynamicGraphs(): readonly (readonly [where: string, Graph])[] {
  const graphs: (readonly [string, Graph])[] = [];
  let seed = 0;
  for (const m of [1, 3, 4, 5, 13])
    for (const n of [1, 4, 5, 8, 9, 17]) graphs.push([`${m}×${n}×12`, dynamicDense({ seed: seed++ }, m, n, 12)]);
  const clamp = { kind: "clamp", min: 0, max: 6 } as const;
  for (const k of [1, 2, 3, 4, 5, 31, 32, 33, 61]) {
    const spec = { seed: seed++, activation: clamp, perTensor: k % 2 === 0 };
    graphs.push([`5×11×${k}`, dynamicDense(spec, 5, 11, k)]);
  }
  graphs.push(["no bias", dynamicDense({ seed: seed++, noBias: true }, 4, 7, 8)]);
  graphs.push(["long sums", dynamicDense({ seed: seed++ }, 2, 5, 2500)]);
  const conv = (name: string, ...rest: [...Parameters<typeof dynamicConv>] extends [unknown, ...infer R] ? R : never): void => {
    graphs.push([name, dynamicConv({ seed: seed++ }, ...rest)]);
  };
  conv("3×3", [1, 6, 7, 5], 11, [3, 3], { pads: [1, 1, 1, 1] });
  conv("strides", [2, 7, 6, 3], 8, [3, 2], { strides: [2, 1], pads: [0, 1, 2, 0] });
  conv("dilations", [1, 9, 9, 4], 9, [3, 3], { dilations: [2, 2] });
  conv("groups", [1, 6, 7, 8], 12, [3, 3], { groups: 2, pads: [1, 1, 1, 1], dilations: [2, 1] });
  conv("1×1", [1, 5, 5, 6], 7, [1, 1]);
  conv("1×1, batch", [2, 3, 4, 4], 5, [1, 1]);
  conv("1×1, strides", [1, 5, 7, 4], 5, [1, 1], { strides: [2, 2] });
  conv("one channel", [1, 9, 8, 1], 6, [3, 3], { pads: [1, 1, 1, 1] });
  conv("whole image", [1, 3, 3, 8], 9, [3, 3]);
  return graphs;
}
