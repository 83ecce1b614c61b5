/** Binary and Unary. */
import { outputTensor, requireInput } from "../../../graph/access.ts";
import type { NodeWith, UnaryAttrs } from "../../../graph/ir.ts";
import { BINARY_CODES, UNARY_CODES, binary, unary } from "../kernels/elementwise.ts";
import { finishParams } from "../kernels/helpers.ts";
import type { Lowering } from "./context.ts";
import { broadcastSteps, planWalk } from "./strides.ts";

const RANK = 5;

export function lowerBinary(c: Lowering, node: NodeWith<"Binary">): void {
  const a = requireInput(c.graph, node, 0);
  const b = requireInput(c.graph, node, 1);
  const out = outputTensor(c.graph, node);
  const walk = planWalk(out.shape, [broadcastSteps(a.shape, out.shape), broadcastSteps(b.shape, out.shape)], RANK);
  if (walk === undefined) throw c.unsupported(`more than ${RANK} separate dimensions`);
  const [, n1, n2, n3, n4] = walk.sizes;
  const [[a0, a1, a2, a3, a4] = [], [b0, b1, b2, b3, b4] = []] = walk.steps;
  const { fn, activation } = node.attrs;
  const { kind, lo, hi } = finishParams(activation);
  c.call(`f32_binary_${fn}_broadcast__gpujs`, binary, {
    constants: { fn: BINARY_CODES[fn], act: kind, n1, n2, n3, n4, a0, a1, a2, a3, a4, b0, b1, b2, b3, b4 },
    inputs: [c.operand(a), c.operand(b)],
    numbers: [lo, hi],
    output: out,
  });
}

export function lowerUnary(c: Lowering, node: NodeWith<"Unary">): void {
  const { fn } = node.attrs;
  c.call(`f32_unary_${fn}__gpujs`, unary, {
    constants: { fn: UNARY_CODES[fn] },
    inputs: [c.operand(requireInput(c.graph, node, 0))],
    numbers: unaryNumbers(node.attrs),
    output: outputTensor(c.graph, node),
  });
}

const FLOAT_MAX = 3.4028234663852886e38;

/** The two numbers of `unary`. */
function unaryNumbers({ fn, alpha, beta, min, max }: UnaryAttrs): readonly [number, number] {
  switch (fn) {
    case "clip":
      return [Math.max(min ?? -Infinity, -FLOAT_MAX), Math.min(max ?? Infinity, FLOAT_MAX)];
    case "leakyrelu":
      return [alpha ?? 0.01, 0];
    case "hardsigmoid":
      return [alpha ?? 0.2, beta ?? 0.5];
    default:
      return [0, 0];
  }
}
