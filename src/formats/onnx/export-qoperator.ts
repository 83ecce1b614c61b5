/**
 * An integer node as one op that takes and gives integers, with scales and zero points among its inputs: QLinearConv and QLinearMatMul of ONNX, QGemm
 * and the QLinear… ops of com.microsoft, MaxPool on bytes. Runtimes need not find and fuse a pattern then.
 */
import { inputTensor, outputTensor } from "../../graph/access.ts";
import type { Activation, Graph, Node, Tensor } from "../../graph/ir.ts";
import { integerRange, quantizedClamp } from "../../graph/numerics.ts";
import { convAttributes } from "./export-ops.ts";
import { MICROSOFT_DOMAIN } from "./export-int4.ts";
import type { Attributes, OnnxWriter } from "./writer.ts";

/** What the exporter knows of tensors: how they are called, and the names of their scale and zero point. */
export interface IntegerNames {
  readonly stored: (tensor: Tensor) => string;
  readonly grid: (tensor: Tensor) => readonly [scale: string, zeroPoint: string];
}

/**
 * @param graph with channels-first images
 * @returns false, with nothing written, where the node has no such form: it then takes the QDQ form
 */
export function emitQOperator(writer: OnnxWriter, graph: Graph, node: Node, names: IntegerNames): boolean {
  const output = outputTensor(graph, node);
  const inputs = node.inputs.map((_, i) => inputTensor(graph, node, i));
  const [x, second, bias] = inputs;
  const activation = "activation" in node.attrs ? node.attrs.activation : undefined;
  if (x === undefined || !isBytes(x) || !isBytes(output) || !isImplied(activation, output)) return false;

  const triple = (tensor: Tensor): readonly string[] => [names.stored(tensor), ...names.grid(tensor)];
  const microsoft = (op: string, args: readonly string[], attributes: Attributes = {}, to: string = output.name): true => {
    writer.foreign(MICROSOFT_DOMAIN.name, op, node.name, args, [to], attributes);
    return true;
  };
  const unary = (op: string, attributes: Attributes = {}): true => microsoft(op, [...triple(x), ...names.grid(output)], attributes);

  switch (node.op) {
    case "Conv2D":
    case "DepthwiseConv2D": {
      if (second === undefined || !isBytes(second, true) || !isBias(bias)) return false;
      const groups = node.op === "Conv2D" ? node.attrs.groups : x.shape[1]!;
      const args = [...triple(x), ...triple(second), ...names.grid(output), ...(bias ? [names.stored(bias)] : [])];
      writer.node("QLinearConv", node.name, args, output.name, convAttributes(node, second.shape, groups));
      return true;
    }
    case "Dense": {
      if (second === undefined || !isBytes(second, true) || !isBias(bias) || x.shape.length !== 2) return false;
      const args = [...triple(x), ...triple(second), bias === undefined ? "" : names.stored(bias), ...names.grid(output)];
      return microsoft("QGemm", args, { transB: { int: 1 } });
    }
    case "MatMul":
      if (second === undefined || !isBytes(second) || node.attrs.transposeA || node.attrs.transposeB) return false;
      writer.node("QLinearMatMul", node.name, [...triple(x), ...triple(second), ...names.grid(output)], output.name);
      return true;
    case "Binary":
      if (second === undefined || !isBytes(second) || (node.attrs.fn !== "add" && node.attrs.fn !== "mul")) return false;
      return microsoft(node.attrs.fn === "add" ? "QLinearAdd" : "QLinearMul", [...triple(x), ...triple(second), ...names.grid(output)]);
    case "Concat": {
      const parts = inputs.flatMap((part) => (part !== undefined && isBytes(part) ? [part] : []));
      if (parts.length !== inputs.length) return false;
      return microsoft("QLinearConcat", [...names.grid(output), ...parts.flatMap(triple)], { axis: { int: node.attrs.axis } });
    }
    case "Unary":
      if (node.attrs.fn === "leakyrelu") return unary("QLinearLeakyRelu", { alpha: { float: node.attrs.alpha ?? 0.01 } });
      return node.attrs.fn === "sigmoid" && unary("QLinearSigmoid");
    case "Softmax":
      return node.attrs.beta === 1 && unary("QLinearSoftmax", { axis: { int: node.attrs.axis }, opset: { int: 13 } });
    case "AveragePool2D": {
      const { kernel, strides, pads, dilations, countIncludePad } = node.attrs;
      if (dilations.some((d) => d !== 1)) return false;
      return unary("QLinearAveragePool", {
        kernel_shape: { ints: kernel },
        strides: { ints: strides },
        pads: { ints: pads },
        count_include_pad: { int: countIncludePad ? 1 : 0 },
      });
    }
    case "Reduce": {
      const { fn, axes, keepDims } = node.attrs;
      if (fn !== "mean" || x.shape.length !== 4 || axes.join() !== "2,3") return false;
      const pooled = keepDims ? output.name : writer.helper();
      microsoft("QLinearGlobalAveragePool", [...triple(x), ...names.grid(output)], {}, pooled);
      if (!keepDims) writer.node("Reshape", "", [pooled, writer.integers(output.shape)], output.name, { allowzero: { int: 1 } });
      return true;
    }
    default:
      return false;
  }
}

/** A tensor of bytes on a grid. @param perAxis whether it may have one grid for each channel */
function isBytes({ dtype, quant }: Tensor, perAxis = false): boolean {
  return quant !== undefined && (dtype === "int8" || dtype === "uint8") && (perAxis || quant.axis === undefined);
}

function isBias(bias: Tensor | undefined): boolean {
  return bias === undefined || bias.dtype === "int32";
}

/** Whether saturation to the type alone does what the activation does. */
function isImplied(activation: Activation | undefined, { quant, dtype }: Tensor): boolean {
  if (activation === undefined || quant === undefined) return activation === undefined;
  if (activation.kind === "hardswish") return false;
  return quantizedClamp(activation, quant, dtype).join() === integerRange(dtype).join();
}
