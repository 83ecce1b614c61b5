/**
 * What a step promises about the weights that it wrote, checked again after every later step. A promise follows the weight's tensor
 * name, which every step keeps. A broken one fails the run and names the layer: better than a silent "sparse" model full of numbers.
 */
import { SlimbenchError } from "../errors.ts";
import { isConstant } from "../graph/access.ts";
import type { Constant, Graph } from "../graph/ir.ts";

interface PromiseOf {
  /** Node name, for messages. */
  readonly layer: string;
  /** Name of the weight tensor. */
  readonly tensor: string;
  /** Canonical text of the step that promised. */
  readonly by: string;
}

/** These weights stay zero: `zeros[i]` is 1 where weight i was pruned. */
export interface ZeroMask extends PromiseOf {
  readonly kind: "zeroMask";
  readonly zeros: Uint8Array;
}

/** The weights are int8 codes -127..127 with zero point 0. */
export interface Int8Grid extends PromiseOf {
  readonly kind: "int8Grid";
}

export type Promised = ZeroMask | Int8Grid;

/**
 * @param after canonical text of the step that just ran
 * @throws SlimbenchError `promise-broken`, naming layer, step and the first weight that breaks it
 */
export function checkPromises(graph: Graph, promises: readonly Promised[], after: string): void {
  for (const promise of promises) {
    const fault = breach(graph, promise);
    if (fault === undefined) continue;
    throw new SlimbenchError(
      "promise-broken",
      `recipe step ${after}: layer "${promise.layer}": ${fault}, though ${promise.by} promised it. This is a bug in the step ${after}`,
      { exitCode: 4 },
    );
  }
}

function breach(graph: Graph, promise: Promised): string | undefined {
  const tensor = graph.tensors.get(promise.tensor);
  if (tensor === undefined || !isConstant(tensor)) return `its weights "${promise.tensor}" are gone`;
  switch (promise.kind) {
    case "zeroMask":
      return zeroBreach(tensor, promise.zeros);
    case "int8Grid":
      return gridBreach(tensor);
  }
}

function zeroBreach(tensor: Constant, zeros: Uint8Array): string | undefined {
  if (tensor.data.length !== zeros.length) return `its weights have ${tensor.data.length} elements, expected ${zeros.length}`;
  for (let i = 0; i < zeros.length; i++) {
    if (zeros[i] === 1 && !isZeroAt(tensor, i)) return `weight ${i} is ${tensor.data[i]!}, expected a pruned zero`;
  }
  return undefined;
}

function gridBreach(tensor: Constant): string | undefined {
  if (tensor.dtype !== "int8" || tensor.quant === undefined) return `its weights are ${tensor.dtype}, expected int8 codes`;
  if (tensor.quant.zeroPoints.some((z) => z !== 0)) return "its weights have a zero point, expected 0";
  const at = tensor.data.indexOf(-128);
  return at < 0 ? undefined : `weight ${at} is -128, expected -127..127`;
}

/** Whether element i of a constant is the real value 0. */
function isZeroAt(tensor: Constant, i: number): boolean {
  return tensor.data[i] === zeroCode(tensor, i);
}

function zeroCode(tensor: Constant, i: number): number {
  const { quant } = tensor;
  if (quant === undefined) return 0;
  if (quant.axis === undefined) return quant.zeroPoints[0]!;
  let inner = 1;
  for (let d = quant.axis + 1; d < tensor.shape.length; d++) inner *= tensor.shape[d]!;
  return quant.zeroPoints[Math.floor(i / inner) % tensor.shape[quant.axis]!]!;
}
