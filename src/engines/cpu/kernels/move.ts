/**
 * Ops that only move elements: Reshape, Transpose, Slice, Expand, Concat, Gather, Pad. Bytes travel unchanged when input and output
 * share a grid; between grids each element is requantized.
 */
import { ShapeError, formatShape } from "../../../errors.ts";
import { outputTensor, requireInput } from "../../../graph/access.ts";
import { bytesPerElement, elementCount } from "../../../graph/dtype.ts";
import type { TypedArray } from "../../../graph/dtype.ts";
import type { Node, Tensor } from "../../../graph/ir.ts";
import { integerRange, inverseScale, perTensor, quantizeValue } from "../../../graph/numerics.ts";
import { broadcastSteps, innerSize, innerStep, planWalk, runStarts } from "./broadcast.ts";
import { regridder } from "./regrid.ts";
import type { Regrid } from "./regrid.ts";
import { isQuantized, sameQuantization, stridesOf, unsupported } from "./shared.ts";
import type { CpuKernel, KernelContext } from "./shared.ts";

/** Carries an element of an 8-bit or int16 input to the output's grid; undefined when they are the same. */
function gridOf(node: Node, x: Tensor, out: Tensor): Regrid | undefined {
  const same = x.dtype === out.dtype && sameQuantization(x.quant, out.quant);
  if (same || (!isQuantized(x) && !isQuantized(out))) return undefined;
  // Elements move before they change their grid.
  const regrid = bytesPerElement(x.dtype) === bytesPerElement(out.dtype) ? regridder(x, out) : undefined;
  if (regrid === undefined) {
    throw unsupported(
      node,
      `moving ${x.dtype} to ${out.dtype} on different grids, expected 8-bit tensors with scales, or int16 with zero point 0`,
      "Insert a Requantize node.",
    );
  }
  return regrid;
}

function moveKernel(name: string, regrid: Regrid | undefined, move: CpuKernel["run"]): CpuKernel {
  const run: CpuKernel["run"] =
    regrid === undefined
      ? move
      : (inputs, output) => {
          move(inputs, output);
          for (let i = 0; i < output.length; i++) output[i] = regrid.element(output[i]!);
        };
  return { name: `any_${name}__cpu`, weightBytes: regrid?.weightBytes ?? 0, packedInputs: [], run };
}

export function createReshape(context: KernelContext<"Reshape">): CpuKernel {
  const { graph, node } = context;
  const regrid = gridOf(node, requireInput(graph, node, 0), outputTensor(graph, node));
  return moveKernel("reshape_copy", regrid, (inputs, output) => output.set(inputs[0]!));
}

export function createTranspose(context: KernelContext<"Transpose">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const out = outputTensor(graph, node);
  const strides = stridesOf(x.shape);
  return stridedKernel(
    node,
    "transpose_strided",
    x,
    out,
    node.attrs.perm.map((d) => strides[d]!),
    0,
  );
}

export function createSlice(context: KernelContext<"Slice">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const strides = stridesOf(x.shape);
  const offset = node.attrs.starts.reduce((sum, start, d) => sum + start * strides[d]!, 0);
  return stridedKernel(
    node,
    "slice_strided",
    x,
    outputTensor(graph, node),
    node.attrs.steps.map((step, d) => step * strides[d]!),
    offset,
  );
}

export function createExpand(context: KernelContext<"Expand">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const out = outputTensor(graph, node);
  return stridedKernel(node, "expand_strided", x, out, broadcastSteps(x.shape, out.shape), 0);
}

/** out = x read with one step a dimension of the output. */
function stridedKernel(node: Node, name: string, x: Tensor, out: Tensor, steps: readonly number[], offset: number): CpuKernel {
  const regrid = gridOf(node, x, out);
  if (elementCount(out.shape) === 0) return moveKernel(name, regrid, () => undefined);
  const walk = planWalk(out.shape, [steps]);
  const starts = runStarts(walk, 0, offset);
  const length = innerSize(walk);
  const step = innerStep(walk, 0);
  return moveKernel(name, regrid, (inputs, output) => copyRuns(inputs[0]!, output, starts, length, step));
}

function copyRuns(x: TypedArray, out: TypedArray, starts: Int32Array, length: number, step: number): void {
  if (x instanceof Float32Array && out instanceof Float32Array) {
    for (let r = 0, o = 0; r < starts.length; r++) for (let i = 0, p = starts[r]!; i < length; i++, p += step) out[o++] = x[p]!;
  } else if (x instanceof Int8Array && out instanceof Int8Array) {
    for (let r = 0, o = 0; r < starts.length; r++) for (let i = 0, p = starts[r]!; i < length; i++, p += step) out[o++] = x[p]!;
  } else {
    for (let r = 0, o = 0; r < starts.length; r++) for (let i = 0, p = starts[r]!; i < length; i++, p += step) out[o++] = x[p]!;
  }
}

export function createConcat(context: KernelContext<"Concat">): CpuKernel {
  const { graph, node } = context;
  const out = outputTensor(graph, node);
  const { axis } = node.attrs;
  const inner = elementCount(out.shape.slice(axis + 1));
  const outer = elementCount(out.shape.slice(0, axis));
  const parts = node.inputs.map((_, i) => {
    const x = requireInput(graph, node, i);
    return { block: x.shape[axis]! * inner, regrid: gridOf(node, x, out) };
  });
  const row = out.shape[axis]! * inner;
  const kernel = moveKernel("concat_blocks", undefined, (inputs, output) => {
    let start = 0;
    parts.forEach(({ block, regrid }, i) => {
      const x = inputs[i]!;
      for (let o = 0; o < outer; o++) {
        if (regrid === undefined) copyBlock(x, o * block, output, o * row + start, block);
        else for (let e = 0; e < block; e++) output[o * row + start + e] = regrid.element(x[o * block + e]!);
      }
      start += block;
    });
  });
  return { ...kernel, weightBytes: parts.reduce((sum, p) => sum + (p.regrid?.weightBytes ?? 0), 0) };
}

function copyBlock(x: TypedArray, from: number, out: TypedArray, to: number, length: number): void {
  // Below a few dozen elements a loop beats the cost of making a view.
  if (length > 48) out.set(x.subarray(from, from + length), to);
  else for (let i = 0; i < length; i++) out[to + i] = x[from + i]!;
}

export function createGather(context: KernelContext<"Gather">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const indices = requireInput(graph, node, 1);
  const { axis } = node.attrs;
  const inner = elementCount(x.shape.slice(axis + 1));
  const outer = elementCount(x.shape.slice(0, axis));
  const size = x.shape[axis]!;
  const count = elementCount(indices.shape);
  return moveKernel("gather_blocks", gridOf(node, x, outputTensor(graph, node)), (inputs, output) => {
    const data = inputs[0]!;
    const at = inputs[1]!;
    for (let i = 0; i < count; i++) {
      const index = at[i]! < 0 ? at[i]! + size : at[i]!;
      if (!(index >= 0 && index < size)) {
        throw new ShapeError(
          `node "${node.name}" (Gather): index out of range, got ${at[i]!}, expected ${-size} to ${size - 1} on axis ${axis} of ${formatShape(x.shape)}`,
        );
      }
      for (let o = 0; o < outer; o++) copyBlock(data, (o * size + index) * inner, output, (o * count + i) * inner, inner);
    }
  });
}

export function createPad(context: KernelContext<"Pad">): CpuKernel {
  const { graph, node } = context;
  const x = requireInput(graph, node, 0);
  const out = outputTensor(graph, node);
  const { before, mode, value } = node.attrs;
  const maps = out.shape.map((size, d) => {
    const n = x.shape[d]!;
    return Int32Array.from({ length: size }, (_, i) => sourceIndex(i - before[d]!, n, mode));
  });
  let fill = value;
  if (isQuantized(x)) {
    const { scale, zeroPoint } = perTensor(x.quant);
    fill = quantizeValue(value, inverseScale(scale), zeroPoint, ...integerRange(x.dtype));
  }
  return moveKernel(`pad_${mode}`, gridOf(node, x, out), (inputs, output) =>
    copyMapped(inputs[0]!, output, maps, stridesOf(x.shape), fill),
  );
}

function sourceIndex(i: number, n: number, mode: "constant" | "reflect" | "edge"): number {
  if (i >= 0 && i < n) return i;
  if (mode === "constant") return -1;
  if (mode === "edge" || n === 1) return i < 0 ? 0 : n - 1;
  const period = 2 * (n - 1);
  const r = ((i % period) + period) % period;
  return r < n ? r : period - r;
}

/** out[i0, i1, …] = x[maps[0][i0], maps[1][i1], …], or `fill` where any of them is -1. */
export function copyMapped(x: TypedArray, out: TypedArray, maps: readonly Int32Array[], strides: readonly number[], fill: number): void {
  if (maps.length === 0) {
    out[0] = x[0]!;
    return;
  }
  const last = maps.length - 1;
  let to = 0;
  const visit = (d: number, base: number): void => {
    const map = maps[d]!;
    if (d < last) {
      for (let i = 0; i < map.length; i++) visit(d + 1, base < 0 || map[i]! < 0 ? -1 : base + map[i]! * strides[d]!);
    } else if (base < 0) {
      for (let i = 0; i < map.length; i++) out[to++] = fill;
    } else {
      for (let i = 0; i < map.length; i++) out[to++] = map[i]! < 0 ? fill : x[base + map[i]!]!;
    }
  };
  visit(0, 0);
}
