/**
 * Finds the way in which ONNX spells a layer that quantizes its input when it runs,
 *   DynamicQuantizeLinear → MatMulInteger or ConvInteger → Cast → Mul by (scale of the input × scale of the weights),
 * and puts one node of our own in its place, since a graph here has no grids that are only known at run time. What the pattern leaves behind is
 * read by nobody, and so not imported.
 */
import type { GraphProto, NodeProto } from "./proto.ts";

export const DYNAMIC_DOMAIN = "slimbench";
export const DYNAMIC_OPS = { MatMulInteger: "DynamicMatMul", ConvInteger: "DynamicConv" } as const;

/** Inputs of the new nodes: x, w, scale of w, zero point of w or nothing. */
export function fuseDynamic(proto: GraphProto): GraphProto {
  if (!proto.node.some(({ opType }) => opType === "DynamicQuantizeLinear")) return proto;
  const writers = new Map<string, NodeProto>();
  for (const node of proto.node) for (const output of node.output) if (output !== "") writers.set(output, node);
  const written = (name: string | undefined, op: string): NodeProto | undefined => {
    const node = name === undefined ? undefined : writers.get(name);
    return node?.opType === op ? node : undefined;
  };
  const fused = (node: NodeProto): NodeProto | undefined => {
    if (node.opType !== "Mul") return undefined;
    for (const [from, to] of [node.input, node.input.toReversed()]) {
      const sums = writers.get(written(from, "Cast")?.input[0] ?? "");
      const op = sums?.opType;
      if (sums === undefined || (op !== "MatMulInteger" && op !== "ConvInteger")) continue;
      const [codes, weights = "", zero, weightZero = ""] = sums.input;
      const quantize = written(codes, "DynamicQuantizeLinear");
      if (quantize === undefined || quantize.output[2] !== zero) continue;
      const scales = written(to, "Mul")?.input ?? [];
      const scale = scales.find((name) => name !== quantize.output[1]);
      if (scale === undefined || !scales.includes(quantize.output[1] ?? "")) continue;
      const input = [quantize.input[0] ?? "", weights, scale, weightZero];
      return { name: sums.name, attribute: sums.attribute, domain: DYNAMIC_DOMAIN, opType: DYNAMIC_OPS[op], input, output: node.output };
    }
    return undefined;
  };
  return { ...proto, node: proto.node.map((node) => fused(node) ?? node) };
}
