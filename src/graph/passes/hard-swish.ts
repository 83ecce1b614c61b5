/**
 * Recognizes hard-swish, x·clip(x + 3, 0, 6)/6, and hard-sigmoid, clip(x + 3, 0, 6)/6, written out in any order of products and
 * quotients, as TensorFlow and PyTorch exporters do.
 */
import { formatShape } from "../../errors.ts";
import type { Graph, Node } from "../ir.ts";
import { GraphEdit, makeNode } from "./edit.ts";
import { scalarConstant } from "./values.ts";

/** Exporters write 1/6 with six digits. */
const TOLERANCE = 1e-5;

export function fuseHardSwish(graph: Graph): Graph {
  const edit = new GraphEdit(graph);
  edit.sweep((node) => {
    if (node.op !== "Binary" || node.attrs.activation !== undefined || edit.output(node).dtype !== "float32") return;
    const product: Product = { factors: [], scale: 1 };
    if (!collect(edit, node, product)) return;
    const match = matchProduct(edit, product);
    if (match === undefined || formatShape(edit.tensor(match.x).shape) !== formatShape(edit.output(node).shape)) return;
    const attrs = match.fn === "hardswish" ? { fn: match.fn } : { fn: match.fn, alpha: 1 / 6, beta: 0.5 };
    edit.replace(node, makeNode("Unary", node.name, [match.x], node.outputs[0]!, attrs));
  });
  return edit.finish();
}

/** A product of tensors times a number. */
interface Product {
  readonly factors: string[];
  scale: number;
}

/** Takes a multiplication or division apart, through inner ones that nothing else reads. False when it is neither. */
function collect(edit: GraphEdit, node: Node, product: Product): boolean {
  if (node.op !== "Binary" || (node.attrs.fn !== "mul" && node.attrs.fn !== "div")) return false;
  const divides = node.attrs.fn === "div";
  const [left, right] = [node.inputs[0]!, node.inputs[1]!];
  const divisor = scalarConstant(edit, right);
  if (divides) {
    if (divisor === undefined) return false;
    product.scale /= divisor;
    collectFactor(edit, left, node, product);
    return true;
  }
  for (const name of [left, right]) {
    const value = scalarConstant(edit, name);
    if (value === undefined) collectFactor(edit, name, node, product);
    else product.scale *= value;
  }
  return true;
}

function collectFactor(edit: GraphEdit, name: string, reader: Node, product: Product): void {
  const inner = edit.producer(name);
  const mergeable = inner?.op === "Binary" && inner.attrs.activation === undefined && edit.soleConsumer(name)?.name === reader.name;
  if (!mergeable || !collect(edit, inner, product)) product.factors.push(name);
}

function matchProduct(edit: GraphEdit, product: Product): { fn: "hardswish" | "hardsigmoid"; x: string } | undefined {
  const [a, b] = product.factors;
  const is = (value: number): boolean => Math.abs(product.scale - value) < TOLERANCE;
  if (a === undefined || product.factors.length > 2) return undefined;
  if (b === undefined) {
    const gate = gateInput(edit, a);
    return gate?.height === 6 && is(1 / 6) ? { fn: "hardsigmoid", x: gate.x } : undefined;
  }
  for (const [x, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const gate = gateInput(edit, other);
    if (gate?.x === x && is(1 / gate.height)) return { fn: "hardswish", x };
  }
  return undefined;
}

/** x of clip(x + 3, 0, 6), height 6, or of a hard-sigmoid with slope 1/6, height 1. */
function gateInput(edit: GraphEdit, name: string): { x: string; height: 6 | 1 } | undefined {
  const node = edit.producer(name);
  if (node?.op === "Unary" && node.attrs.fn === "hardsigmoid") {
    const standard = Math.abs((node.attrs.alpha ?? 0.2) - 1 / 6) < TOLERANCE && node.attrs.beta === 0.5;
    return standard ? { x: node.inputs[0]!, height: 1 } : undefined;
  }
  if (node?.op === "Unary" && node.attrs.fn === "clip" && node.attrs.min === 0 && node.attrs.max === 6) {
    const sum = edit.producer(node.inputs[0]!);
    return sum?.op === "Binary" && sum.attrs.activation === undefined ? shiftedBy3(edit, sum) : undefined;
  }
  if (
    node?.op === "Binary" &&
    node.attrs.activation?.kind === "clamp" &&
    node.attrs.activation.min === 0 &&
    node.attrs.activation.max === 6
  ) {
    return shiftedBy3(edit, node);
  }
  return undefined;
}

function shiftedBy3(edit: GraphEdit, node: Node): { x: string; height: 6 } | undefined {
  if (node.op !== "Binary" || node.attrs.fn !== "add") return undefined;
  const [left, right] = [node.inputs[0]!, node.inputs[1]!];
  const x = scalarConstant(edit, right) === 3 ? left : scalarConstant(edit, left) === 3 ? right : undefined;
  return x === undefined ? undefined : { x, height: 6 };
}
