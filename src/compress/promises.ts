/**
 * What a step promises about the weights that it wrote, checked again after every later step. A promise follows the weight's tensor
 * name, which every step keeps. A broken one fails the run and names the layer: better than a silent "sparse" model full of numbers.
 */
import { SlimbenchError, formatShape } from "../errors.ts";
import { isConstant } from "../graph/access.ts";
import { fromFloat16Bits, toFloat16Bits } from "../graph/float16.ts";
import type { Constant, Graph, Shape } from "../graph/ir.ts";

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

/** The weights are int8 codes of at most 127, or `limit`, either way with zero point 0. */
export interface Int8Grid extends PromiseOf {
  readonly kind: "int8Grid";
  readonly limit?: number;
}

/** The weights take at most `most` values; as integers, on each scale for itself; with an axis, in each channel along it. */
export interface DistinctValues extends PromiseOf {
  readonly kind: "distinct";
  readonly most: number;
  readonly axis?: number;
}

/** Every weight is a float16 value. */
export interface Float16Grid extends PromiseOf {
  readonly kind: "float16Grid";
}

/** The weights have an int4 code without -8; that it stands for the data is validated with the graph. */
export interface Int4Grid extends PromiseOf {
  readonly kind: "int4Grid";
}

/** The weights have an int8 code without -128; that it stands for the data is validated with the graph. */
export interface Int8CodeGrid extends PromiseOf {
  readonly kind: "int8Code";
}

/** The weights, or biases, keep the shape that removing channels left. */
export interface FixedShape extends PromiseOf {
  readonly kind: "shape";
  readonly shape: Shape;
}

export type Promised = ZeroMask | Int8Grid | DistinctValues | Float16Grid | Int4Grid | Int8CodeGrid | FixedShape;

/**
 * Promises after a step that took elements out of constants: a mask loses the same elements, a shape is that step's to promise anew.
 * @param survivors constant → where its elements stood before
 */
export function followCut(promises: readonly Promised[], survivors: ReadonlyMap<string, Int32Array> | undefined): readonly Promised[] {
  if (survivors === undefined) return promises;
  return promises.flatMap((promise): readonly Promised[] => {
    const from = survivors.get(promise.tensor);
    if (from === undefined) return [promise];
    if (promise.kind === "shape") return [];
    return promise.kind === "zeroMask" ? [{ ...promise, zeros: Uint8Array.from(from, (i) => promise.zeros[i]!) }] : [promise];
  });
}

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
      return gridBreach(tensor, promise.limit ?? 127);
    case "distinct":
      return distinctBreach(tensor, promise);
    case "float16Grid":
      return float16Breach(tensor);
    case "int4Grid":
      return int4Breach(tensor);
    case "int8Code":
      return int8CodeBreach(tensor);
    case "shape":
      return formatShape(tensor.shape) === formatShape(promise.shape)
        ? undefined
        : `its constant "${tensor.name}" has shape ${formatShape(tensor.shape)}, expected ${formatShape(promise.shape)}`;
  }
}

function zeroBreach(tensor: Constant, zeros: Uint8Array): string | undefined {
  if (tensor.data.length !== zeros.length) return `its weights have ${tensor.data.length} elements, expected ${zeros.length}`;
  for (let i = 0; i < zeros.length; i++) {
    if (zeros[i] === 1 && !isZeroAt(tensor, i)) return `weight ${i} is ${tensor.data[i]!}, expected a pruned zero`;
  }
  return undefined;
}

function gridBreach(tensor: Constant, limit: number): string | undefined {
  if (tensor.dtype !== "int8" || tensor.quant === undefined) return `its weights are ${tensor.dtype}, expected int8 codes`;
  if (tensor.quant.zeroPoints.some((z) => z !== 0)) return "its weights have a zero point, expected 0";
  const at = tensor.data.findIndex((q) => Math.abs(q) > limit);
  return at < 0 ? undefined : `weight ${at} is ${tensor.data[at]!}, expected -${limit}..${limit}`;
}

function distinctBreach(tensor: Constant, { most, axis }: DistinctValues): string | undefined {
  const values = new Map<number, Set<number>>();
  const along = axis ?? tensor.quant?.axis;
  for (let i = 0; i < tensor.data.length; i++) {
    const group = channelIndex(tensor, along, i);
    let seen = values.get(group);
    if (seen === undefined) values.set(group, (seen = new Set()));
    seen.add(tensor.data[i]!);
    if (seen.size <= most) continue;
    const where = axis !== undefined ? ` in channel ${group}` : along === undefined ? "" : " on one scale";
    return `its weights take more than ${most} values${where}, expected at most ${most}`;
  }
  return undefined;
}

function float16Breach(tensor: Constant): string | undefined {
  if (tensor.dtype !== "float32") return `its weights are ${tensor.dtype}, expected float32 on the float16 grid`;
  const at = (tensor.data as Float32Array).findIndex((value) => fromFloat16Bits(toFloat16Bits(value)) !== value);
  return at < 0 ? undefined : `weight ${at} is ${tensor.data[at]!}, expected a float16 value`;
}

function int4Breach({ code }: Constant): string | undefined {
  if (code?.kind !== "int4") return `its weights have ${code === undefined ? "no code" : `a ${code.kind} code`}, expected int4`;
  const at = code.codes.indexOf(-8);
  return at < 0 ? undefined : `weight ${at} has code -8, expected -7..7`;
}

function int8CodeBreach({ code }: Constant): string | undefined {
  if (code?.kind !== "int8") return `its weights have ${code === undefined ? "no code" : `a ${code.kind} code`}, expected int8`;
  const at = code.codes.indexOf(-128);
  return at < 0 ? undefined : `weight ${at} has code -128, expected -127..127`;
}

/** Whether element i of a constant is the real value 0. */
function isZeroAt(tensor: Constant, i: number): boolean {
  return tensor.data[i] === zeroCode(tensor, i);
}

function zeroCode(tensor: Constant, i: number): number {
  const { quant } = tensor;
  if (quant === undefined) return 0;
  return quant.zeroPoints[scaleIndex(tensor, i)]!;
}

/** Which of its scales element i of a constant is on; 0 where there is one or none. */
function scaleIndex(tensor: Constant, i: number): number {
  return channelIndex(tensor, tensor.quant?.axis, i);
}

/** Index along an axis; 0 without one. */
function channelIndex({ shape }: Constant, axis: number | undefined, i: number): number {
  if (axis === undefined) return 0;
  let inner = 1;
  for (let d = axis + 1; d < shape.length; d++) inner *= shape[d]!;
  return Math.floor(i / inner) % shape[axis]!;
}
