/** What a node computes, in the words that people know from model files: `Conv2D`, `Relu`; `Add` where the graph form says Binary. */
import type { Activation, Node } from "./ir.ts";

/** The node's own op, then the activation that is part of it. */
export function opLabels(node: Node): readonly string[] {
  const own = node.op === "Binary" || node.op === "Unary" ? functionLabel(node.attrs.fn) : node.op;
  const activation = activationOf(node);
  return activation === undefined ? [own] : [own, activationLabel(activation)];
}

export function activationOf({ attrs }: Node): Activation | undefined {
  return "activation" in attrs ? attrs.activation : undefined;
}

const WORDS: Readonly<Record<string, string>> = { leakyrelu: "LeakyRelu", hardswish: "HardSwish", hardsigmoid: "HardSigmoid" };

function functionLabel(fn: string): string {
  return WORDS[fn] ?? `${fn.charAt(0).toUpperCase()}${fn.slice(1)}`;
}

function activationLabel(activation: Activation): string {
  if (activation.kind === "hardswish") return "HardSwish";
  const { min, max } = activation;
  if (min !== 0) return "Clip";
  return max === Infinity ? "Relu" : max === 6 ? "Relu6" : "Clip";
}
