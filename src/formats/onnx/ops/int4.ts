/** MatMulNBits of com.microsoft with 4-bit codes around 8 → a Dense layer whose weights keep their codes (as src/formats/onnx/export-int4.ts). */
import { formatShape } from "../../../errors.ts";
import { decode } from "../../../graph/code.ts";
import type { Int4Code } from "../../../graph/ir.ts";
import type { ImportContext } from "../context.ts";
import type { OnnxNode } from "../node.ts";
import { checkedCount } from "../tensor.ts";
import type { OpImporter } from "./importer.ts";

const MIDDLE = 8;

const matMulNBits = (ctx: ImportContext, node: OnnxNode): void => {
  const x = ctx.input(node, 0);
  const [k, n, bits, block] = [node.int("K", 0), node.int("N", 0), node.int("bits", 4), node.int("block_size", 0)];
  if (bits !== 4) node.fail(`bits = ${bits}, expected 4`);
  if (k < 1 || n < 1 || block < 2 || block % 2 !== 0)
    node.fail(`K ${k}, N ${n}, block_size ${block}, expected positive sizes and even blocks`);
  for (const [index, what] of [
    [3, "zero points"],
    [4, "group indices"],
  ] as const) {
    if (ctx.has(node, index)) node.fail(`${what} (input ${index}) are not supported, expected codes around ${MIDDLE}`);
  }
  const packed = ctx.constantInput(node, 1, "weights");
  const scales = ctx.constantInput(node, 2, "scales");
  const blocks = Math.ceil(k / block);
  checkedCount([n, blocks * block], node.where);
  if (packed.dtype !== "uint8" || packed.data.length !== (n * blocks * block) / 2) {
    node.fail(`weights ${packed.dtype} ${formatShape(packed.shape)}, expected uint8 ${formatShape([n, blocks, block / 2])}`);
  }
  if (!(scales.data instanceof Float32Array) || scales.data.length !== n * blocks) {
    node.fail(`scales ${scales.dtype} ${formatShape(scales.shape)}, expected float32 ${formatShape([n * blocks])}`);
  }
  const codes = new Int8Array(n * k);
  const stride = (blocks * block) / 2;
  for (let row = 0; row < n; row++) {
    for (let i = 0; i < k; i++) codes[row * k + i] = ((packed.data[row * stride + (i >> 1)]! >> (4 * (i & 1))) & 15) - MIDDLE;
  }
  const code: Int4Code = { kind: "int4", block, scales: scales.data, codes };
  const name = ctx.fresh(`${node.name}/weights`);
  ctx.builder.constant(name, "float32", [n, k], decode(code, [n, k]), { code });
  const weights = ctx.builder.tensor(name);
  ctx.result(node, "Dense", [x, weights, ctx.optional(node, 5)], {});
};

export const INT4_OPS: readonly (readonly [string, OpImporter])[] = [["com.microsoft/MatMulNBits", matMulNBits]];
