/** One small graph with every kind of constant: plain, sparse, quantized per tensor and per channel, and every compact code. */
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { decode } from "../../../src/graph/code.ts";
import type { Graph, Int8CodebookCode } from "../../../src/graph/ir.ts";
import { validateGraph } from "../../../src/graph/validate.ts";
import { randomCode } from "../../engines/coded.ts";
import { random } from "../../engines/generated.ts";

const WIDTH = 12;

export function codedModel(seed: number): Graph {
  const next = random(seed);
  const builder = new GraphBuilder("coded");
  const shape = [WIDTH, WIDTH] as const;
  let x = builder.input("input", "float32", [1, WIDTH]);
  const codes = [
    { kind: "codebook", values: 5 },
    { kind: "codebook", values: 200 },
    { kind: "int4", block: 16 },
    { kind: "int8" },
  ] as const;
  [...codes, { kind: "float16", special: true } as const].forEach((spec, i) => {
    const code = randomCode(spec, shape, seed + i);
    const w = builder.constant(`w${i}`, "float32", shape, decode(code, shape), { code });
    x = builder.add("Dense", `dense${i}`, [x, w], { activation: { kind: "clamp", min: 0, max: i === 0 ? Infinity : 6 } });
  });
  const sparse = Float32Array.from({ length: WIDTH * WIDTH }, () => (next() < 0.1 ? next() - 0.5 : 0));
  const s = builder.constant("sparse", "float32", shape, sparse, { sparsity: { pattern: "block", rows: 1, cols: 8 } });
  const bias = builder.constant("bias", "float32", [WIDTH], Float32Array.from({ length: WIDTH }, next));
  x = builder.add("Dense", "pruned", [x, s, bias], {});
  const q = builder.add(
    "Quantize",
    "q",
    [x],
    {},
    { dtype: "int8", quant: { scales: Float32Array.of(0.1), zeroPoints: Int32Array.of(-3) } },
  );
  const quant = { scales: Float32Array.from({ length: WIDTH }, () => 0.01 + next()), zeroPoints: new Int32Array(WIDTH), axis: 0 };
  const wq = builder.constant(
    "wq",
    "int8",
    shape,
    Int8Array.from({ length: WIDTH * WIDTH }, () => Math.floor(next() * 255) - 127),
    { quant },
  );
  const bq = builder.constant(
    "bq",
    "int32",
    [WIDTH],
    Int32Array.from({ length: WIDTH }, () => Math.floor(next() * 1000)),
  );
  const grid = { scales: Float32Array.of(0.5), zeroPoints: Int32Array.of(4) };
  const integer = builder.add("Dense", "integer", [q, wq, bq], {}, { dtype: "int8", quant: grid });
  const code: Int8CodebookCode = {
    kind: "int8Codebook",
    values: 7,
    table: Int8Array.from({ length: WIDTH * 7 }, () => Math.floor(next() * 255) - 127),
    indices: Uint8Array.from({ length: WIDTH * WIDTH }, () => Math.floor(next() * 7)),
  };
  const wc = builder.constant("wc", "int8", shape, decode(code, shape), { quant, code });
  const y = builder.add("Dense", "shared", [integer, wc, bq], {}, { dtype: "int8", quant: grid });
  const graph = builder.finish([builder.add("Dequantize", "output", [y], {}, { dtype: "float32" })]);
  validateGraph(graph);
  return graph;
}
