/** Ops that only move elements. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { NodeWith, Tensor } from "../../../graph/ir.ts";
import { concatPair, copyStrided, padBox } from "../kernels/move.ts";
import type { Lowering, Operand } from "./context.ts";
import { broadcastSteps, denseSteps, planWalk } from "./strides.ts";

const RANK = 5;

function copy(c: Lowering, x: Tensor, out: Tensor, steps: readonly number[], offset: number): void {
  const walk = planWalk(out.shape, [steps], RANK);
  if (walk === undefined) throw c.unsupported(`more than ${RANK} separate dimensions`);
  const [, n1, n2, n3, n4] = walk.sizes;
  const [[s0, s1, s2, s3, s4] = []] = walk.steps;
  c.call("f32_copy_strided__gpujs", copyStrided, {
    constants: { n1, n2, n3, n4, s0, s1, s2, s3, s4, offset },
    inputs: [c.operand(x)],
    output: out,
  });
}

export function lowerTranspose(c: Lowering, node: NodeWith<"Transpose">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  const steps = denseSteps(x.shape);
  // Only dimensions of one change their places: the elements stay where they are.
  const moved = node.attrs.perm.filter((axis) => x.shape[axis] !== 1);
  if (moved.every((axis, i) => i === 0 || axis > moved[i - 1]!)) {
    c.alias(out, x);
    return;
  }
  copy(
    c,
    x,
    out,
    node.attrs.perm.map((axis) => steps[axis]!),
    0,
  );
}

export function lowerSlice(c: Lowering, node: NodeWith<"Slice">): void {
  const x = requireInput(c.graph, node, 0);
  const dense = denseSteps(x.shape);
  const { starts, steps } = node.attrs;
  const offset = starts.reduce((sum, start, d) => sum + start * dense[d]!, 0);
  copy(
    c,
    x,
    outputTensor(c.graph, node),
    steps.map((step, d) => step * dense[d]!),
    offset,
  );
}

export function lowerExpand(c: Lowering, node: NodeWith<"Expand">): void {
  const x = requireInput(c.graph, node, 0);
  const out = outputTensor(c.graph, node);
  copy(c, x, out, broadcastSteps(x.shape, out.shape), 0);
}

/** Pair by pair: a kernel has a fixed number of inputs. */
export function lowerConcat(c: Lowering, node: NodeWith<"Concat">): void {
  const out = outputTensor(c.graph, node);
  const { axis } = node.attrs;
  const [first, ...others] = node.inputs.map((_, i) => requireInput(c.graph, node, i));
  if (first === undefined) throw c.unsupported("no inputs");
  if (others.length === 0) {
    c.alias(out, first);
    return;
  }
  const outer = elementCount(out.shape.slice(0, axis));
  const width = (tensor: Tensor): number => elementCount(tensor.shape.slice(axis));
  let left: Operand = c.operand(first);
  let widthA = width(first);
  others.forEach((tensor, i) => {
    const widthB = width(tensor);
    const scratch = { name: c.scratch(`part ${i}`), elements: outer * (widthA + widthB) };
    c.call("f32_concat_pair__gpujs", concatPair, {
      constants: { widthA, widthB },
      inputs: [left, c.operand(tensor)],
      output: i === others.length - 1 ? out : scratch,
    });
    left = { kind: "tensor", name: scratch.name };
    widthA += widthB;
  });
}

const PAD_MODES = { constant: 0, reflect: 1, edge: 2 } as const;
const PAD_RANK = 4;

interface PadAxis {
  size: number;
  before: number;
  after: number;
}

export function lowerPad(c: Lowering, node: NodeWith<"Pad">): void {
  const x = requireInput(c.graph, node, 0);
  const { before, after, mode, value } = node.attrs;
  const axes: PadAxis[] = [];
  x.shape.forEach((size, d) => {
    const last = axes[axes.length - 1];
    const axis = { size, before: before[d]!, after: after[d]! };
    // Neighbours that nothing is added to are one.
    if (last?.before === 0 && last.after === 0 && axis.before === 0 && axis.after === 0) last.size *= size;
    else axes.push(axis);
  });
  if (axes.length > PAD_RANK) throw c.unsupported(`more than ${PAD_RANK} separate dimensions`);
  while (axes.length < PAD_RANK) axes.unshift({ size: 1, before: 0, after: 0 });
  const [in0, in1, in2, in3] = axes.map(({ size }) => size);
  const [before0, before1, before2, before3] = axes.map((axis) => axis.before);
  const [, out1, out2, out3] = axes.map((axis) => axis.before + axis.size + axis.after);
  c.call(`f32_pad_${mode}__gpujs`, padBox, {
    constants: { mode: PAD_MODES[mode], out1, out2, out3, in0, in1, in2, in3, before0, before1, before2, before3 },
    inputs: [c.operand(x)],
    numbers: [value],
    output: outputTensor(c.graph, node),
  });
}
