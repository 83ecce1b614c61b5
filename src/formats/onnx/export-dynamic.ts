/**
 * Writes a layer that quantizes its input when it runs: DynamicQuantizeLinear, MatMulInteger or ConvInteger, and the sums scaled back to float. The
 * weights of ConvInteger are uint8, 128 higher, since onnxruntime has it for those only.
 */
import { permuteData } from "../../graph/permute.ts";
import type { DynamicLayer, DynamicNode } from "../../graph/dynamic.ts";
import type { Constant } from "../../graph/ir.ts";
import { convAttributes } from "./export-ops.ts";
import { ELEM } from "./tensor.ts";
import type { OnnxWriter } from "./writer.ts";

/** Input → its codes, scale and zero point, written once. */
export type QuantizedInputs = Map<string, readonly [codes: string, scale: string, zero: string]>;

/**
 * @param layer with channels-first weights
 * @param x ONNX name of the input
 * @param output ONNX name of the result, without the fused activation
 * @param stored writes a constant once, under its tensor's name
 */
export function emitDynamic(
  writer: OnnxWriter,
  node: DynamicNode,
  layer: DynamicLayer,
  x: string,
  output: string,
  known: QuantizedInputs,
  stored: (constant: Constant) => string,
): void {
  const { w, scales, bias, hasBias } = layer;
  let quantized = known.get(x);
  if (quantized === undefined) {
    quantized = [writer.helper(), writer.helper(), writer.helper()];
    known.set(x, quantized);
    writer.several("DynamicQuantizeLinear", "", [x], quantized);
  }
  const [codes, scale, zero] = quantized;
  const sums = writer.helper();
  if (node.op === "Dense") {
    const [n, k] = [w.shape[0]!, w.shape[1]!];
    const weights = stored({ ...w, shape: [k, n], data: permuteData(w.data, "int8", w.shape, [1, 0]) });
    writer.node("MatMulInteger", node.name, [codes, weights, zero], sums);
  } else {
    const weights = writer.constant(
      "uint8",
      w.shape,
      Uint8Array.from(w.data, (q) => q + 128),
    );
    const inputs = [codes, weights, zero, writer.constant("uint8", [], Uint8Array.of(128))];
    writer.node("ConvInteger", node.name, inputs, sums, convAttributes(node, w.shape, node.attrs.groups));
  }
  // One value a channel, which stands last in a matrix and second in an image.
  const shape = node.op === "Dense" ? [scales.length] : [1, scales.length, 1, 1];
  const real = writer.node("Cast", "", [sums], writer.helper(), { to: { int: ELEM.FLOAT } });
  const step = writer.node("Mul", "", [scale, writer.constant("float32", shape, scales)], writer.helper());
  const product = hasBias ? writer.helper() : output;
  writer.node("Mul", "", [real, step], product);
  if (hasBias) writer.node("Add", "", [product, writer.constant("float32", shape, bias)], output);
}
