/**
 * A Dense layer with int4 weights → MatMulNBits of com.microsoft, which runtimes execute from the codes: [N, blocks, block / 2] bytes, the
 * earlier code in the low nibble, codes counted from 8; a scale for each block.
 */
import { inputTensor, requireInput } from "../../graph/access.ts";
import { blocksOf } from "../../graph/code.ts";
import type { Graph, Int4Code, Node, NodeWith, Shape } from "../../graph/ir.ts";
import type { OnnxWriter } from "./writer.ts";

export const MICROSOFT_DOMAIN = { name: "com.microsoft", version: 1 } as const;

/** What MatMulNBits takes: powers of two from 16. */
const LEAST_BLOCK = 16;
/** The code that stands for 0, where there are no zero points. */
const MIDDLE = 8;

export interface Int4Dense {
  readonly node: NodeWith<"Dense">;
  readonly code: Int4Code;
  /** [N, K] */
  readonly shape: Shape;
}

/** The layer as MatMulNBits can say it; undefined for any other. */
export function int4Dense(graph: Graph, node: Node): Int4Dense | undefined {
  if (node.op !== "Dense") return undefined;
  const { code, shape } = requireInput(graph, node, 1);
  if (code?.kind !== "int4" || inputTensor(graph, node, 0)?.dtype !== "float32") return undefined;
  const fits = code.block >= LEAST_BLOCK && Number.isInteger(Math.log2(code.block)) && code.codes.length > 0;
  return fits ? { node, code, shape } : undefined;
}

/** @param inputs x, and the bias where there is one */
export function emitInt4Dense(
  writer: OnnxWriter,
  { node, code, shape }: Int4Dense,
  x: string,
  bias: string | undefined,
  output: string,
): void {
  const { rows, k, blocks } = blocksOf(code, shape);
  const bytes = code.block / 2;
  const weights = writer.initializer(writer.helper(), "uint8", [rows, blocks, bytes], packNibbles(code, rows, k));
  const scales = writer.initializer(writer.helper(), "float32", [rows * blocks], code.scales);
  const product = bias === undefined ? output : writer.helper();
  writer.foreign(MICROSOFT_DOMAIN.name, "MatMulNBits", node.name, [x, weights, scales], [product], {
    K: { int: k },
    N: { int: rows },
    bits: { int: 4 },
    block_size: { int: code.block },
  });
  if (bias !== undefined) writer.node("Add", "", [product, bias], output);
}

/** Rows of whole blocks; what is behind a row's end is 0. */
function packNibbles({ codes, block }: Int4Code, rows: number, k: number): Uint8Array {
  const stride = (Math.ceil(k / block) * block) / 2;
  const packed = new Uint8Array(rows * stride).fill((MIDDLE << 4) | MIDDLE);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < k; i++) {
      const at = row * stride + (i >> 1);
      const nibble = codes[row * k + i]! + MIDDLE;
      packed[at] = i & 1 ? (packed[at]! & 15) | (nibble << 4) : (packed[at]! & 0xf0) | nibble;
    }
  }
  return packed;
}
