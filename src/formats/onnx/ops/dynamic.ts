/** Importers of layers that quantize their input when they run, as ../fuse-dynamic.ts and onnxruntime's optimizer put them together. */
import { formatShape } from "../../../errors.ts";
import type { Tensor } from "../../../graph/ir.ts";
import type { ImportContext } from "../context.ts";
import { DYNAMIC_DOMAIN, DYNAMIC_OPS } from "../fuse-dynamic.ts";
import type { OnnxNode } from "../node.ts";
import type { OpImporter } from "./importer.ts";
import { convolution } from "./spatial.ts";

/** Integer weights as int8 with zero point 0 on the grid at inputs 2 and 3. @param axis of the output channels */
function weights(ctx: ImportContext, node: OnnxNode, axis: number): Tensor {
  const w = ctx.constantInput(node, 1, "weights");
  const scales = Float32Array.from(ctx.constantInput(node, 2, "scale").data);
  const zeros = ctx.has(node, 3) ? ctx.constantInput(node, 3, "zero point").data : [0];
  const channels = w.shape[axis] ?? 1;
  for (const [what, { length }] of [
    ["scales", scales],
    ["zero points", zeros],
  ] as const) {
    if (length !== 1 && length !== channels) node.fail(`${length} ${what} of weights ${formatShape(w.shape)}, expected 1 or ${channels}`);
  }
  if (scales.some((s) => !(s > 0 && Number.isFinite(s)))) node.fail("a scale of the weights is not a positive finite number");
  const inner = w.shape.slice(axis + 1).reduce((size, d) => size * d, 1);
  const data = new Int8Array(w.data.length);
  for (let i = 0; i < data.length; i++) {
    const value = w.data[i]! - zeros[zeros.length === 1 ? 0 : Math.floor(i / inner) % channels]!;
    if (value < -128 || value > 127) node.unsupported(`weight ${i} is ${value} steps from its zero point, expected -128..127`);
    data[i] = value;
  }
  const quant = { scales, zeroPoints: new Int32Array(scales.length), ...(scales.length > 1 && { axis }) };
  return ctx.constant(ctx.fresh(`${w.name}/symmetric`), "int8", w.shape, data, quant);
}

const dynamicMatMul: OpImporter = (ctx, node) => {
  const x = ctx.input(node, 0);
  const w = weights(ctx, node, 1);
  if (w.shape.length !== 2 || x.shape.length === 0) node.unsupported(`weights ${formatShape(w.shape)}, expected a matrix`);
  ctx.result(node, "Dense", [x, ctx.transpose(node, "weights", w, [1, 0])], { dynamic: true });
};

const dynamicConv: OpImporter = (ctx, node) => {
  convolution(ctx, node, ctx.input(node, 0), weights(ctx, node, 0), undefined, true);
};

export const DYNAMIC_IMPORTERS: readonly (readonly [string, OpImporter])[] = [
  [`${DYNAMIC_DOMAIN}/${DYNAMIC_OPS.MatMulInteger}`, dynamicMatMul],
  [`${DYNAMIC_DOMAIN}/${DYNAMIC_OPS.ConvInteger}`, dynamicConv],
];
