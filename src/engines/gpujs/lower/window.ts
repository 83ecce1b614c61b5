/** Pools, Reduce, Softmax. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { NodeWith, ReduceFn } from "../../../graph/ir.ts";
import { finishParams } from "../kernels/helpers.ts";
import { poolTexel } from "../kernels/texel.ts";
import { poolDirect, reduceDirect, softmaxMax, softmaxScale, softmaxSum } from "../kernels/window.ts";
import type { Lowering, Operand } from "./context.ts";

export function lowerPool(c: Lowering, node: NodeWith<"MaxPool2D"> | NodeWith<"AveragePool2D">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const { kernel, strides, dilations, pads, countIncludePad, activation } = node.attrs;
  const { kind, lo, hi } = finishParams(activation);
  const channels = x.shape[3]!;
  const max = node.op === "MaxPool2D";
  const constants = {
    inH: x.shape[1]!,
    inW: x.shape[2]!,
    outH: out.shape[1]!,
    outW: out.shape[2]!,
    kh: kernel[0],
    kw: kernel[1],
    strideY: strides[0],
    strideX: strides[1],
    dilationY: dilations[0],
    dilationX: dilations[1],
    padY: pads[0],
    padX: pads[1],
    endY: x.shape[1]! + pads[2],
    endX: x.shape[2]! + pads[3],
    channels,
    fn: max ? 0 : countIncludePad ? 2 : 1,
    act: kind,
  };
  const name = max ? "maxpool" : "avgpool";
  const numbers = [lo, hi, max ? -Infinity : 0];
  if (c.texels && channels % 4 === 0) {
    c.call(`f32_${name}_texel_1x4__gpujs_webgl2`, poolTexel, {
      constants: { ...constants, texels: channels / 4 },
      inputs: [{ ...c.operand(x), texels: true }],
      numbers,
      output: out,
      texels: true,
    });
    return;
  }
  c.call(`f32_${name}_direct_1x1__gpujs`, poolDirect, { constants, inputs: [c.operand(x)], numbers, output: out });
}

const REDUCE_CODES: Readonly<Record<ReduceFn, number>> = { sum: 0, mean: 0, max: 1, min: 2, prod: 3 };

/** Neighbouring axes in one pass, others one after the other, last first, so that those in front keep their places. */
export function lowerReduce(c: Lowering, node: NodeWith<"Reduce">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const { fn, axes } = node.attrs;
  const runs = axisRuns(axes);
  if (runs.length === 0) {
    c.alias(out, x);
    return;
  }
  let shape = [...x.shape];
  let input: Operand = c.operand(x);
  runs.forEach(({ first, count }, pass) => {
    const length = elementCount(shape.slice(first, first + count));
    const inner = elementCount(shape.slice(first + count));
    shape = shape.map((size, d) => (d >= first && d < first + count ? 1 : size));
    const scratch = { name: c.scratch(`pass ${pass}`), elements: elementCount(shape) };
    c.call(`f32_reduce_${fn}_strided__gpujs`, reduceDirect, {
      constants: { length, inner, fn: REDUCE_CODES[fn] },
      inputs: [input],
      numbers: [fn === "mean" ? length : 1],
      output: pass === runs.length - 1 ? out : scratch,
    });
    input = { kind: "tensor", name: scratch.name };
  });
}

/** Axes as runs of neighbours, the last run first. */
export function axisRuns(axes: readonly number[]): readonly { readonly first: number; readonly count: number }[] {
  const runs: { first: number; count: number }[] = [];
  for (const axis of [...axes].sort((a, b) => b - a)) {
    const run = runs[runs.length - 1];
    if (run?.first === axis + 1) {
      run.first = axis;
      run.count++;
    } else {
      runs.push({ first: axis, count: 1 });
    }
  }
  return runs;
}

export function lowerSoftmax(c: Lowering, node: NodeWith<"Softmax">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const { axis, beta } = node.attrs;
  const length = x.shape[axis]!;
  const inner = elementCount(x.shape.slice(axis + 1));
  const rows = elementCount(x.shape) / length;
  const constants = { length, inner };
  const input = c.operand(x);
  const max = { name: c.scratch("max"), elements: rows };
  const sum = { name: c.scratch("sum"), elements: rows };
  const maxOperand: Operand = { kind: "tensor", name: max.name };
  const sumOperand: Operand = { kind: "tensor", name: sum.name };
  c.call("f32_softmax_max__gpujs", softmaxMax, { constants, inputs: [input], output: max });
  c.call("f32_softmax_sum__gpujs", softmaxSum, { constants, inputs: [input, maxOperand], numbers: [beta], output: sum });
  c.call("f32_softmax_scale__gpujs", softmaxScale, { constants, inputs: [input, maxOperand, sumOperand], numbers: [beta], output: out });
}
