/**
 * `requantize:double|single|float`: says of every 8-bit layer how it requantizes. It changes no weight, so it goes behind `int8`, or onto a model
 * that came quantized, whose runtime may have rounded that way.
 */
import { UsageError } from "../../errors.ts";
import { isConstant, outputTensor, tensorOf } from "../../graph/access.ts";
import { isFloat } from "../../graph/dtype.ts";
import { canRound } from "../../graph/fixed-point.ts";
import type { RoundedNode } from "../../graph/fixed-point.ts";
import type { Graph, Node, Tensor } from "../../graph/ir.ts";
import { leftOut } from "../recipe-fields.ts";
import { requantizeText } from "../recipe-requantize.ts";
import type { RequantizeStep } from "../recipe-requantize.ts";
import type { SkippedLayer, StepResult } from "../steps.ts";
import { sameQuant } from "./params.ts";

/** @throws UsageError where no layer has 8-bit inputs, weights and outputs */
export function setRounding(graph: Graph, step: RequantizeStep): StepResult {
  const layers: string[] = [];
  const skipped: SkippedLayer[] = [];
  const nodes = graph.nodes.map((node): Node => {
    if (canRound(graph, node)) {
      const why = leftOut(node.name, step);
      if (why !== undefined) {
        skipped.push({ layer: node.name, op: node.op, why });
        return node;
      }
      layers.push(node.name);
      return withRounding(node, step.mode);
    }
    if (rescales(graph, node))
      skipped.push({ layer: node.name, op: node.op, why: "has one way to round only, as all but 8-bit layers with weights" });
    return node;
  });
  if (layers.length === 0 && !graph.nodes.some((node) => canRound(graph, node)))
    throw new UsageError(
      `recipe step ${requantizeText(step)}: no layer of "${graph.name}" has 8-bit inputs, weights and outputs. Put int8 before it, or take a quantized model`,
    );
  return { graph: { ...graph, nodes }, layers, skipped, promises: [] };
}

function withRounding(node: RoundedNode, mode: RequantizeStep["mode"]): Node {
  const attrs = Object.fromEntries(Object.entries(node.attrs).filter(([key]) => key !== "rounding"));
  return { ...node, attrs: mode === "float" ? attrs : { ...attrs, rounding: mode } } as unknown as Node;
}

/** Whether the node gives integers on another grid than those that it takes. */
function rescales(graph: Graph, node: Node): boolean {
  const output = outputTensor(graph, node);
  if (!isOnGrid(output) || node.op === "Quantize") return false;
  const inputs = node.inputs.filter((name) => name !== "").map((name) => tensorOf(graph, name));
  const taken = inputs.filter((tensor) => isOnGrid(tensor) && !isConstant(tensor));
  const computes = !["Concat", "MaxPool2D", "Reshape", "Transpose", "Slice", "Gather", "Pad", "Expand", "Resize"].includes(node.op);
  return computes || taken.some(({ quant }) => !sameQuant(quant!, output.quant!));
}

function isOnGrid({ dtype, quant }: Tensor): boolean {
  return quant !== undefined && !isFloat(dtype);
}
