/**
 * Conv2D, ConvTranspose2D and Dense. float32 and 8-bit run as packed (or zero-skipping) matrix multiplications over gathered patches;
 * every other type takes the plain loops of conv_general.ts.
 */
import { inputTensor, outputTensor, requireInput } from "../../../graph/access.ts";
import { floatCode, int8Codebook, isByRows } from "../../../graph/code.ts";
import { dynamicLayer, isDynamic } from "../../../graph/dynamic.ts";
import type { Tensor } from "../../../graph/ir.ts";
import { chooseCode, createCodedConv } from "./conv_coded.ts";
import { createCodedIntegerConv } from "./conv_coded_i8.ts";
import { createDynamicConv } from "./conv_dynamic.ts";
import { createInt16Conv } from "./conv_i16.ts";
import { convGeometry, convTransposeGeometry, denseGeometry, isPointwise, phaseMatrix } from "./conv_geometry.ts";
import { gatherF32, gatherI8, panelRows } from "./gather.ts";
import type { ConvGeometry } from "./conv_geometry.ts";
import { createGeneralConv } from "./conv_general.ts";
import { PANEL_ROWS, integerScratch, multiplyDenseI8, packDenseI8, scaleBytes } from "./gemm_i8.ts";
import type { DenseI8, IntegerFinish } from "./gemm_i8.ts";
import { multiplyDenseF32, packDenseF32 } from "./gemm_f32.ts";
import type { DenseF32 } from "./gemm_f32.ts";
import { floatFinish } from "./finish.ts";
import { isByte, isQuantized, shortName } from "./shared.ts";
import type { CpuKernel, KernelContext, NodeFor } from "./shared.ts";
import { multiplyBlocksF32, multiplyCsrF32 } from "./spmm_f32.ts";
import { multiplyBlocksI8, multiplyCsrI8 } from "./spmm_i8.ts";
import { chooseLayout, packBlocks, packCsr, sparseBytes } from "./sparse_pack.ts";
import type { Blocks, Csr, SparseLayout } from "./sparse_pack.ts";
import { floatWeights, integerFinish } from "./weights.ts";

type ConvOp = "Conv2D" | "ConvTranspose2D" | "Dense";

export function createConv(context: KernelContext<ConvOp>): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const w = requireInput(graph, node, 1);
  const bias = inputTensor(graph, node, 2);
  const out = outputTensor(graph, node);
  const geometry = geometryOf(node, x, w, out);
  if (isDynamic(node)) return createDynamicConv(context.scratch, geometry, dynamicLayer(graph, node), floatFinish(node.attrs.activation));
  if (x.dtype === "float32" && out.dtype === "float32" && (w.dtype === "float32" || isQuantized(w))) {
    return createFloatConv(context, geometry, w, bias);
  }
  if (isByte(x.dtype) && isQuantized(x)) return createIntegerConv(context, geometry, x, w, bias, out);
  if (x.dtype === "int16" && isQuantized(x)) return createInt16Conv(context, geometry);
  return createGeneralConv(context, geometry, out);
}

function geometryOf(node: NodeFor<ConvOp>, x: Tensor, w: Tensor, out: Tensor): ConvGeometry {
  if (node.op === "Conv2D") return convGeometry(node, x, w, out);
  if (node.op === "ConvTranspose2D") return convTransposeGeometry(node, x, w, out);
  return denseGeometry(x, w);
}

/** `gemm`, `conv` or `convtranspose` in a kernel name. */
function family(op: ConvOp, g: ConvGeometry): string {
  if (isPointwise(g)) return "gemm_packed";
  return op === "ConvTranspose2D" ? "convtranspose_im2row" : "conv_im2row";
}

type PackedF32 = DenseF32 | Blocks<Float32Array> | Csr<Float32Array>;
type PackedI8 = DenseI8 | Blocks<Int8Array> | Csr<Int8Array>;

function packFloat(data: Float32Array, g: ConvGeometry, layout: SparseLayout): PackedF32[] {
  const create = (n: number): Float32Array => new Float32Array(n);
  return g.phases.flatMap((phase) =>
    Array.from({ length: g.groups }, (_, group): PackedF32 => {
      const view = { data: phaseMatrix(data, g, phase, group, create), offset: 0, n: g.groupOut, k: phase.tap.length * g.groupIn };
      if (layout === "block8" || layout === "block4") return packBlocks(view, layout === "block8" ? 8 : 4, create);
      return layout === "csr" ? packCsr(view, create) : packDenseF32(view.data, 0, view.n, view.k);
    }),
  );
}

function createFloatConv(context: KernelContext<ConvOp>, g: ConvGeometry, w: Tensor, bias: Tensor | undefined): CpuKernel {
  const { node, scratch } = context;
  const finish = floatFinish(node.attrs.activation);
  const constant = w.data === undefined ? undefined : floatWeights(node, w, w.data);
  const layout = constant === undefined ? "dense" : chooseLayout(groupViews(constant, g), outputPixels(g), context.sparse);
  const fixedBias =
    bias === undefined ? new Float32Array(g.outChannels) : bias.data === undefined ? undefined : floatWeights(node, bias, bias.data);
  const code = floatCode(w);
  const choice =
    code !== undefined && constant !== undefined && node.op !== "ConvTranspose2D" && isByRows(code) && fixedBias !== undefined
      ? chooseCode(code, constant, outputPixels(g), g.taps * g.groupIn, layout, context.sparse)
      : undefined;
  if (code !== undefined && fixedBias !== undefined && choice?.keeps === true) {
    return createCodedConv(scratch, g, code, finish, fixedBias, bias === undefined ? 0 : fixedBias.byteLength, choice.why);
  }
  const fixed = constant === undefined ? undefined : packFloat(constant, g, layout);
  const offsets = new Int32Array(4);
  const rows = panelRows();
  const sums = new Float64Array(16);
  const longest = Math.max(...g.phases.map((p) => p.tap.length)) * g.groupIn;
  scratch.reserve(longest * 4 * 8);
  const names = {
    dense: `f32_${family(node.op, g)}_4x4__cpu`,
    block8: "f32_spmm_1x8_4x4__cpu",
    block4: "f32_spmm_1x4_4x4__cpu",
    csr: "f32_spmm_csr_4x1__cpu",
  };
  return {
    name: names[layout],
    weightBytes:
      (fixed === undefined ? 0 : fixed.reduce((sum, p) => sum + packedBytes(p), 0)) +
      (bias === undefined ? 0 : (fixedBias?.byteLength ?? 0)),
    packedInputs: packedOf(fixed !== undefined, fixedBias !== undefined),
    ...(choice && { why: choice.why }),
    run(inputs, output) {
      const input = inputs[0] as Float32Array;
      const packed = fixed ?? packFloat(floatWeights(node, w, inputs[1]!), g, "dense");
      const b = fixedBias ?? floatWeights(node, bias!, inputs[2]!);
      const target = { out: output as Float32Array, offsets, bias: b, finish, sums };
      const panel = scratch.doubles;
      let index = 0;
      for (const phase of g.phases) {
        const total = g.batch * phase.rows * phase.cols;
        for (let group = 0; group < g.groups; group++) {
          const matrix = packed[index++]!;
          const biasOffset = group * g.groupOut;
          for (let first = 0; first < total; first += 4) {
            const count = total - first < 4 ? total - first : 4;
            gatherF32(input, g, phase, group, first, count, panel, rows, offsets);
            if (matrix.kind === "dense") multiplyDenseF32(matrix, panel, count, biasOffset, target);
            else if (matrix.kind === "blocks") multiplyBlocksF32(matrix, panel, count, biasOffset, target);
            else multiplyCsrF32(matrix, panel, count, biasOffset, target);
          }
        }
      }
    },
  };
}

function packInteger(data: Int8Array | Uint8Array, g: ConvGeometry, layout: SparseLayout): PackedI8[] {
  const create = (n: number): Int8Array => new Int8Array(n);
  const shift = data instanceof Uint8Array ? 128 : 0;
  const signed = shift === 0 ? (data as Int8Array) : Int8Array.from(data, (q) => q - shift);
  return g.phases.flatMap((phase) =>
    Array.from({ length: g.groups }, (_, group): PackedI8 => {
      const view = { data: phaseMatrix(signed, g, phase, group, create), offset: 0, n: g.groupOut, k: phase.tap.length * g.groupIn };
      if (layout === "block8" || layout === "block4") return packBlocks(view, layout === "block8" ? 8 : 4, create);
      return layout === "csr" ? packCsr(view, create) : packDenseI8(view.data, view.n, view.k, 0);
    }),
  );
}

function createIntegerConv(
  context: KernelContext<ConvOp>,
  g: ConvGeometry,
  x: Tensor,
  w: Tensor,
  bias: Tensor | undefined,
  out: Tensor,
): CpuKernel {
  const { node, scratch } = context;
  const finish: IntegerFinish = integerFinish(node, x, w, bias, out, 0, g.outChannels, node.attrs.activation);
  const zeroPoint = x.quant!.zeroPoints[0]!;
  const constant = w.data as Int8Array | Uint8Array | undefined;
  const mayBeSparse = constant instanceof Int8Array && finish.weightZeroPoints === undefined;
  const layout = mayBeSparse ? chooseLayout(groupViews(constant, g), outputPixels(g), context.sparse) : "dense";
  const fixedBias = bias === undefined ? new Int32Array(g.outChannels) : (bias.data as Int32Array | undefined);
  const type = shortName(x.dtype);
  const biasBytes = bias === undefined ? 0 : (fixedBias?.byteLength ?? 0);
  const code = int8Codebook(w);
  const choice =
    code !== undefined && node.op !== "ConvTranspose2D" && mayBeSparse && fixedBias !== undefined
      ? chooseCode(code, constant, outputPixels(g), g.taps * g.groupIn, layout, context.sparse)
      : undefined;
  if (code !== undefined && fixedBias !== undefined && choice?.keeps === true) {
    return createCodedIntegerConv(scratch, g, { code, type, zeroPoint, finish, bias: fixedBias, biasBytes, why: choice.why });
  }
  const fixed = constant === undefined ? undefined : packInteger(constant, g, layout);
  const tile = integerScratch();
  const rows = panelRows();
  const withSums = finish.weightZeroPoints !== undefined;
  const longest = Math.max(...g.phases.map((p) => p.tap.length)) * g.groupIn;
  scratch.reserve(longest * 4 * 8);
  const names = {
    dense: `${type}_${family(node.op, g)}_8x4__cpu`,
    block8: `${type}_spmm_1x8_8x4__cpu`,
    block4: `${type}_spmm_1x4_8x4__cpu`,
    csr: `${type}_spmm_csr_8x1__cpu`,
  };
  return {
    name: names[layout],
    weightBytes: (fixed === undefined ? 0 : fixed.reduce((sum, p) => sum + packedBytes(p), 0)) + biasBytes + scaleBytes(finish),
    packedInputs: packedOf(fixed !== undefined, fixedBias !== undefined),
    ...(choice && { why: choice.why }),
    run(inputs, output) {
      const input = inputs[0] as Int8Array | Uint8Array;
      const packed = fixed ?? packInteger(inputs[1] as Int8Array | Uint8Array, g, "dense");
      const b = fixedBias ?? (inputs[2] as Int32Array);
      const target = { ...tile, out: output as Int8Array | Uint8Array, bias: b, finish };
      const panel = scratch.doubles;
      let index = 0;
      for (const phase of g.phases) {
        const total = g.batch * phase.rows * phase.cols;
        for (let group = 0; group < g.groups; group++) {
          const m = packed[index++]!;
          const channel = group * g.groupOut;
          for (let first = 0; first < total; first += PANEL_ROWS) {
            const count = total - first < PANEL_ROWS ? total - first : PANEL_ROWS;
            gatherI8(input, zeroPoint, g, phase, group, first, count, panel, rows, tile.offsets, tile.rowSums, withSums);
            if (m.kind === "dense") multiplyDenseI8(m, panel, count, channel, target);
            else if (m.kind === "blocks") multiplyBlocksI8(m, panel, count, channel, target);
            else multiplyCsrI8(m, panel, count, channel, target);
          }
        }
      }
    },
  };
}

function packedBytes(packed: PackedF32 | PackedI8): number {
  return packed.kind === "dense" ? packed.values.byteLength : sparseBytes(packed);
}

function packedOf(weights: boolean, bias: boolean): number[] {
  return [...(weights ? [1] : []), ...(bias ? [2] : [])];
}

function outputPixels(g: ConvGeometry): number {
  return g.batch * g.outH * g.outW;
}

/** The rows of each group, for the choice of layout; phases of a transposed convolution only split them by columns. */
function groupViews<T extends Float32Array | Int8Array>(data: T, g: ConvGeometry): { data: T; offset: number; n: number; k: number }[] {
  const k = g.taps * g.groupIn;
  return Array.from({ length: g.groups }, (_, group) => ({ data, offset: group * g.groupOut * k, n: g.groupOut, k }));
}
