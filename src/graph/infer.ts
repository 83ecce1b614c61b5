/**
 * Shape and dtype rules, one per op. Throws ShapeError naming the node, its op and the shapes that do not fit. Ops whose result is
 * not determined by their inputs and attributes (Reshape, Expand, Slice, Cast, …) return what their output declares, checked.
 */
import { ShapeError, formatShape } from "../errors.ts";
import { elementCount, type DType } from "./dtype.ts";
import { TREE_INPUT } from "./tree.ts";
import type { Node, NodeWith, Pair, Pads2D, Quantization, Shape, Tensor } from "./ir.ts";

export interface Inferred {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** The output as far as the file or the builder states it. */
export interface DeclaredOutput {
  readonly shape?: Shape | undefined;
  readonly dtype?: DType | undefined;
  readonly quant?: Quantization | undefined;
}

/** numpy broadcasting; undefined when the shapes do not fit. */
export function broadcastShapes(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const da = a[a.length - rank + i] ?? 1;
    const db = b[b.length - rank + i] ?? 1;
    if (da !== db && da !== 1 && db !== 1) return undefined;
    out.push(da === 1 ? db : da);
  }
  return out;
}

/** Output length of a sliding window. */
export function windowOutput(size: number, kernel: number, stride: number, dilation: number, padTotal: number): number {
  return Math.floor((size + padTotal - dilation * (kernel - 1) - 1) / stride) + 1;
}

/**
 * @param inputs tensors in the order of `node.inputs`; undefined for absent optional ones
 * @throws ShapeError
 */
export function inferNode(node: Node, inputs: readonly (Tensor | undefined)[], declared: DeclaredOutput = {}): Inferred {
  const rule: Rule = new Rule(node, inputs, declared);
  switch (node.op) {
    case "Conv2D":
      return rule.conv(node);
    case "DepthwiseConv2D":
      return rule.depthwise(node);
    case "ConvTranspose2D":
      return rule.convTranspose(node);
    case "Dense":
      return rule.dense();
    case "MatMul":
      return rule.matMul(node);
    case "Binary": {
      const [a, b] = [rule.input(0), rule.input(1)];
      const shape = broadcastShapes(a.shape, b.shape);
      if (shape === undefined) rule.fail(`inputs ${formatShape(a.shape)} and ${formatShape(b.shape)} do not broadcast`);
      return { shape, dtype: rule.outType(a.dtype) };
    }
    case "Unary":
    case "Softmax": {
      const x = rule.input(0);
      if (node.op === "Softmax") rule.axis(node.attrs.axis, x.shape);
      return { shape: x.shape, dtype: rule.outType(x.dtype) };
    }
    case "Quantize":
    case "Dequantize":
    case "Requantize":
    case "Cast": {
      const dtype = declared.dtype ?? (node.op === "Dequantize" ? "float32" : undefined);
      if (dtype === undefined) rule.fail("the output's element type must be stated");
      return { shape: rule.input(0).shape, dtype };
    }
    case "MaxPool2D":
    case "AveragePool2D": {
      const x = rule.image(0);
      const [oh, ow] = rule.window(x.shape, node.attrs.kernel, node.attrs.strides, node.attrs.dilations, node.attrs.pads);
      return { shape: [x.shape[0]!, oh, ow, x.shape[3]!], dtype: rule.outType(x.dtype) };
    }
    case "Reduce": {
      const x = rule.input(0);
      const axes = new Set(node.attrs.axes.map((axis) => rule.axis(axis, x.shape)));
      const shape = node.attrs.keepDims ? x.shape.map((d, i) => (axes.has(i) ? 1 : d)) : x.shape.filter((_, i) => !axes.has(i));
      return { shape, dtype: rule.outType(x.dtype) };
    }
    case "BatchNorm": {
      const x = rule.input(0);
      const channels = x.shape.at(-1) ?? 1;
      for (let i = 1; i < 5; i++) {
        const p = rule.input(i);
        if (elementCount(p.shape) !== channels) rule.fail(`parameter ${i} has shape ${formatShape(p.shape)}, expected [${channels}]`);
      }
      return { shape: x.shape, dtype: x.dtype };
    }
    case "Concat":
      return rule.concat(node);
    case "Reshape": {
      const x = rule.input(0);
      const shape = rule.declaredShape();
      if (elementCount(shape) !== elementCount(x.shape)) {
        rule.fail(`${formatShape(x.shape)} has ${elementCount(x.shape)} elements, ${formatShape(shape)} has ${elementCount(shape)}`);
      }
      return { shape, dtype: x.dtype };
    }
    case "Transpose": {
      const x = rule.input(0);
      const { perm } = node.attrs;
      if (perm.length !== x.shape.length || new Set(perm).size !== perm.length || perm.some((p) => !(p >= 0 && p < perm.length))) {
        rule.fail(`perm ${formatShape(perm)} does not permute ${formatShape(x.shape)}`);
      }
      return { shape: perm.map((p) => x.shape[p]!), dtype: x.dtype };
    }
    case "Slice":
      return rule.slice(node);
    case "Gather": {
      const x = rule.input(0);
      const axis = rule.axis(node.attrs.axis, x.shape);
      return { shape: [...x.shape.slice(0, axis), ...rule.input(1).shape, ...x.shape.slice(axis + 1)], dtype: x.dtype };
    }
    case "Pad": {
      const x = rule.input(0);
      const { before, after } = node.attrs;
      if (before.length !== x.shape.length || after.length !== x.shape.length) {
        rule.fail(`pads for ${before.length} axes, input ${formatShape(x.shape)}`);
      }
      return { shape: x.shape.map((d, i) => d + before[i]! + after[i]!), dtype: x.dtype };
    }
    case "Resize": {
      const x = rule.input(0);
      const shape = declared.shape ?? x.shape.map((d, i) => Math.floor(d * (node.attrs.scales[i] ?? 1)));
      if (shape.length !== x.shape.length) rule.fail(`cannot resize ${formatShape(x.shape)} to ${formatShape(shape)}`);
      return { shape, dtype: x.dtype };
    }
    case "TreeEnsemble": {
      const [x, values] = [rule.input(0), rule.input(TREE_INPUT.values)];
      if (x.shape.length !== 2 || x.dtype !== "float32" || values.shape.length !== 2) {
        rule.fail(`input ${x.dtype} ${formatShape(x.shape)}, values ${formatShape(values.shape)}, expected float32 [N, F] and [nodes, C]`);
      }
      return { shape: [x.shape[0]!, values.shape[1]!], dtype: "float32" };
    }
    case "Expand": {
      const x = rule.input(0);
      const shape = rule.declaredShape();
      const joint = broadcastShapes(x.shape, shape);
      if (joint === undefined || formatShape(joint) !== formatShape(shape)) {
        rule.fail(`${formatShape(x.shape)} does not broadcast to ${formatShape(shape)}`);
      }
      return { shape, dtype: x.dtype };
    }
  }
}

class Rule {
  readonly #node: Node;
  readonly #inputs: readonly (Tensor | undefined)[];
  readonly #declared: DeclaredOutput;

  constructor(node: Node, inputs: readonly (Tensor | undefined)[], declared: DeclaredOutput) {
    this.#node = node;
    this.#inputs = inputs;
    this.#declared = declared;
  }

  fail(what: string): never {
    throw new ShapeError(`node "${this.#node.name}" (${this.#node.op}): ${what}`);
  }

  input(index: number): Tensor {
    const tensor = this.#inputs[index];
    if (tensor === undefined) this.fail(`input ${index} is missing`);
    return tensor;
  }

  image(index: number): Tensor {
    const tensor = this.input(index);
    if (tensor.shape.length !== 4) this.fail(`input ${index} has shape ${formatShape(tensor.shape)}, expected 4 dimensions [N, H, W, C]`);
    return tensor;
  }

  axis(axis: number, shape: Shape): number {
    if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) this.fail(`axis ${axis} is outside ${formatShape(shape)}`);
    return axis;
  }

  declaredShape(): Shape {
    const { shape } = this.#declared;
    if (shape === undefined) this.fail("the output's shape must be stated");
    return shape;
  }

  /** Quantized ops may change the integer type; float ops keep the input's. */
  outType(fallback: DType): DType {
    return this.#declared.dtype ?? fallback;
  }

  window(shape: Shape, kernel: Pair, strides: Pair, dilations: Pair, pads: Pads2D): Pair {
    const oh = windowOutput(shape[1]!, kernel[0], strides[0], dilations[0], pads[0] + pads[2]);
    const ow = windowOutput(shape[2]!, kernel[1], strides[1], dilations[1], pads[1] + pads[3]);
    if (oh < 1 || ow < 1 || !Number.isFinite(oh) || !Number.isFinite(ow)) {
      this.fail(
        `a ${kernel[0]}x${kernel[1]} window (strides ${formatShape(strides)}, dilations ${formatShape(dilations)}, ` +
          `pads ${formatShape(pads)}) does not fit the image ${formatShape(shape)}`,
      );
    }
    return [oh, ow];
  }

  bias(channels: number): void {
    const bias = this.#inputs[2];
    if (bias !== undefined && elementCount(bias.shape) !== channels) {
      this.fail(`bias has shape ${formatShape(bias.shape)}, expected [${channels}]`);
    }
  }

  conv(node: NodeWith<"Conv2D">): Inferred {
    const x = this.image(0);
    const w = this.image(1);
    const { groups, strides, dilations, pads } = node.attrs;
    const [o, kh, kw, c] = [w.shape[0]!, w.shape[1]!, w.shape[2]!, w.shape[3]!];
    if (c * groups !== x.shape[3]! || o % groups !== 0) {
      this.fail(`weights ${formatShape(w.shape)} with ${groups} groups do not fit input ${formatShape(x.shape)}`);
    }
    this.bias(o);
    const [oh, ow] = this.window(x.shape, [kh, kw], strides, dilations, pads);
    return { shape: [x.shape[0]!, oh, ow, o], dtype: this.outType(x.dtype) };
  }

  depthwise(node: NodeWith<"DepthwiseConv2D">): Inferred {
    const x = this.image(0);
    const w = this.image(1);
    const { strides, dilations, pads } = node.attrs;
    const o = w.shape[3]!;
    if (w.shape[0] !== 1 || x.shape[3]! < 1 || o % x.shape[3]! !== 0) {
      this.fail(`depthwise weights ${formatShape(w.shape)} do not fit input ${formatShape(x.shape)}`);
    }
    this.bias(o);
    const [oh, ow] = this.window(x.shape, [w.shape[1]!, w.shape[2]!], strides, dilations, pads);
    return { shape: [x.shape[0]!, oh, ow, o], dtype: this.outType(x.dtype) };
  }

  convTranspose(node: NodeWith<"ConvTranspose2D">): Inferred {
    const x = this.image(0);
    const w = this.image(1);
    const { strides, dilations, pads, outputPadding, groups } = node.attrs;
    const [o, kh, kw, c] = [w.shape[0]!, w.shape[1]!, w.shape[2]!, w.shape[3]!];
    if (c * groups !== x.shape[3]! || o % groups !== 0) {
      this.fail(`weights ${formatShape(w.shape)} with ${groups} groups do not fit input ${formatShape(x.shape)}`);
    }
    this.bias(o);
    const oh = (x.shape[1]! - 1) * strides[0] + dilations[0] * (kh - 1) + 1 + outputPadding[0] - pads[0] - pads[2];
    const ow = (x.shape[2]! - 1) * strides[1] + dilations[1] * (kw - 1) + 1 + outputPadding[1] - pads[1] - pads[3];
    if (oh < 1 || ow < 1) this.fail(`output would be ${oh}x${ow} for input ${formatShape(x.shape)}, weights ${formatShape(w.shape)}`);
    return { shape: [x.shape[0]!, oh, ow, o], dtype: this.outType(x.dtype) };
  }

  dense(): Inferred {
    const x = this.input(0);
    const w = this.input(1);
    if (x.shape.length < 1 || w.shape.length !== 2 || x.shape.at(-1) !== w.shape[1]) {
      this.fail(`input ${formatShape(x.shape)} and weights ${formatShape(w.shape)} differ in K; expected [..., K] and [N, K]`);
    }
    this.bias(w.shape[0]!);
    return { shape: [...x.shape.slice(0, -1), w.shape[0]!], dtype: this.outType(x.dtype) };
  }

  matMul(node: NodeWith<"MatMul">): Inferred {
    const a = this.input(0);
    const b = this.input(1);
    const swap = (shape: Shape, yes: boolean): Shape =>
      yes && shape.length >= 2 ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape;
    let sa = swap(a.shape, node.attrs.transposeA);
    let sb = swap(b.shape, node.attrs.transposeB);
    if (sa.length === 0 || sb.length === 0) this.fail(`cannot multiply ${formatShape(a.shape)} by ${formatShape(b.shape)}`);
    const [vectorA, vectorB] = [sa.length === 1, sb.length === 1];
    if (vectorA) sa = [1, ...sa];
    if (vectorB) sb = [...sb, 1];
    const batch = broadcastShapes(sa.slice(0, -2), sb.slice(0, -2));
    if (sa.at(-1) !== sb.at(-2) || batch === undefined) this.fail(`cannot multiply ${formatShape(a.shape)} by ${formatShape(b.shape)}`);
    const tail = [...(vectorA ? [] : [sa.at(-2)!]), ...(vectorB ? [] : [sb.at(-1)!])];
    return { shape: [...batch, ...tail], dtype: this.outType(a.dtype) };
  }

  concat(node: NodeWith<"Concat">): Inferred {
    const first = this.input(0);
    const axis = this.axis(node.attrs.axis, first.shape);
    let total = 0;
    node.inputs.forEach((_, i) => {
      const { shape } = this.input(i);
      if (shape.length !== first.shape.length || shape.some((d, k) => k !== axis && d !== first.shape[k])) {
        this.fail(`input ${i} ${formatShape(shape)} does not fit ${formatShape(first.shape)} outside axis ${axis}`);
      }
      total += shape[axis]!;
    });
    return { shape: first.shape.map((d, i) => (i === axis ? total : d)), dtype: this.outType(first.dtype) };
  }

  slice(node: NodeWith<"Slice">): Inferred {
    const x = this.input(0);
    const shape = this.declaredShape();
    const { starts, steps } = node.attrs;
    if (shape.length !== x.shape.length || starts.length !== shape.length || steps.length !== shape.length) {
      this.fail(`starts ${formatShape(starts)} and steps ${formatShape(steps)} do not fit input ${formatShape(x.shape)}`);
    }
    shape.forEach((count, i) => {
      const last = starts[i]! + (count - 1) * steps[i]!;
      if (count > 0 && (starts[i]! < 0 || starts[i]! >= x.shape[i]! || last < 0 || last >= x.shape[i]!)) {
        this.fail(`axis ${i} reads from ${starts[i]!} to ${last} of ${x.shape[i]!}`);
      }
    });
    return { shape, dtype: x.dtype };
  }
}
