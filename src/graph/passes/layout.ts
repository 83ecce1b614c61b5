/**
 * Layout pass: makes a network whose spatial ops stand between Transposes (as the ONNX importer emits them) channels-last throughout.
 * One walk in execution order keeps every tensor as (stored tensor, permutation) and composes Transposes instead of running them; ops
 * that work in any order (elementwise, Concat, Reduce, Slice, …) run on the stored order with their axes renamed, constants are
 * permuted, and a flattened image that only Dense layers read has its order moved into their weight columns. What cannot be avoided,
 * the file's own channels-first inputs and outputs, remains as Transpose nodes at the borders. Spatial ops are taken as they stand, so
 * the exporter uses the same walk on channels-first images.
 */
import { consumersOf, isConstant, tensorOf } from "../access.ts";
import { movedColumns, permuteColumns, withoutCode } from "../code.ts";
import { elementCount } from "../dtype.ts";
import type { Constant, Graph, Node, NodeWith, OpName, Shape, Tensor } from "../ir.ts";
import {
  composePerm,
  identityPerm,
  invertPerm,
  isIdentity,
  movesOnlyUnits,
  permuteData,
  permuteList,
  samePerm,
  type Perm,
} from "../permute.ts";
import { planReshape } from "./layout-reshape.ts";
import { LayoutState, viewSize, type View } from "./layout-state.ts";

export function minimizeTransposes(graph: Graph): Graph {
  const state = new LayoutState(graph);
  const walker = new Walker(graph, state);
  for (const [name, perm] of wantedInputOrders(graph)) state.startInput(name, perm);
  for (const node of graph.nodes) walker.visit(node);
  return state.finish();
}

/** Ops through which the order that a reader wants is passed on to a graph input. */
const PASSES_ORDER: ReadonlySet<OpName> = new Set<OpName>(["Unary", "Binary", "Quantize", "Dequantize", "Requantize", "Cast", "Pad"]);

/** Ops that work in the order of the old graph only. */
const FIXED_ORDER: ReadonlySet<OpName> = new Set<OpName>([
  "Conv2D",
  "DepthwiseConv2D",
  "ConvTranspose2D",
  "MaxPool2D",
  "AveragePool2D",
  "BatchNorm",
]);

/** Graph inputs whose first reader with a fixed order wants them permuted: that reader's input = Transpose(graph input, perm). */
function wantedInputOrders(graph: Graph): ReadonlyMap<string, Perm> {
  const wanted = new Map<string, Perm>();
  for (const node of graph.nodes.toReversed()) {
    const first = node.inputs[0]!;
    const order = wanted.get(node.outputs[0]!);
    if (node.op === "Transpose") {
      wanted.set(first, order === undefined ? node.attrs.perm : composePerm(node.attrs.perm, order));
    } else if (FIXED_ORDER.has(node.op)) {
      wanted.set(first, identityPerm(tensorOf(graph, first).shape.length));
    } else if (order !== undefined && PASSES_ORDER.has(node.op)) {
      for (const input of node.inputs) if (input !== "" && tensorOf(graph, input).shape.length === order.length) wanted.set(input, order);
    }
  }
  const inputs = new Set(graph.inputs);
  return new Map([...wanted].filter(([name, perm]) => inputs.has(name) && perm.length >= 3 && !isIdentity(perm)));
}

class Walker {
  readonly #graph: Graph;
  readonly #state: LayoutState;
  readonly #consumers: ReadonlyMap<string, readonly Node[]>;
  readonly #outputs: ReadonlySet<string>;

  constructor(graph: Graph, state: LayoutState) {
    this.#graph = graph;
    this.#state = state;
    this.#consumers = consumersOf(graph);
    this.#outputs = new Set(graph.outputs);
  }

  visit(node: Node): void {
    switch (node.op) {
      case "Transpose": {
        const view = this.#input(node, 0);
        this.#state.define(node.outputs[0]!, { base: view.base, perm: composePerm(view.perm, node.attrs.perm) });
        return;
      }
      case "Unary":
      case "Cast":
      case "Quantize":
      case "Requantize":
      case "Dequantize":
        return this.#elementwise(node);
      case "Binary":
        return this.#binary(node);
      case "Softmax":
        return this.#inOrder(node, (perm) =>
          this.#state.emit(node, "Softmax", this.#stored(node, perm), { ...node.attrs, axis: perm[node.attrs.axis]! }, perm),
        );
      case "Slice":
        return this.#inOrder(node, (perm) => {
          const { starts, steps } = node.attrs;
          const inverse = invertPerm(perm);
          const attrs = { starts: permuteList(starts, inverse), steps: permuteList(steps, inverse) };
          this.#state.emit(node, "Slice", this.#stored(node, perm), attrs, perm);
        });
      case "Pad":
        return this.#inOrder(node, (perm) => {
          const { before, after } = node.attrs;
          const inverse = invertPerm(perm);
          const attrs = { ...node.attrs, before: permuteList(before, inverse), after: permuteList(after, inverse) };
          this.#state.emit(node, "Pad", this.#stored(node, perm), attrs, perm);
        });
      case "Resize":
        return this.#inOrder(node, (perm) => {
          const attrs = { ...node.attrs, scales: permuteList(node.attrs.scales, invertPerm(perm)) };
          this.#state.emit(node, "Resize", this.#stored(node, perm), attrs, perm);
        });
      case "Reduce":
        return this.#reduce(node);
      case "Concat":
        return this.#concat(node);
      case "Expand":
        return this.#expand(node);
      case "Gather":
        return this.#gather(node);
      case "Dense":
        return this.#dense(node);
      case "MatMul":
        return this.#matMul(node);
      case "Reshape":
        return this.#reshape(node);
      case "Conv2D":
      case "DepthwiseConv2D":
      case "ConvTranspose2D":
      case "MaxPool2D":
      case "AveragePool2D":
      case "BatchNorm":
      case "TreeEnsemble":
        return this.#state.emit(node, node.op, this.#ownOrder(node), node.attrs);
    }
  }

  #input(node: Node, index: number): View {
    return this.#state.view(node.inputs[index]!);
  }

  #output(node: Node): Tensor {
    return tensorOf(this.#graph, node.outputs[0]!);
  }

  /** Every input in the old order. */
  #ownOrder(node: Node): readonly string[] {
    return node.inputs.map((name) => this.#state.formOf(name));
  }

  /** The first input stored in the order `perm`; it is the only one of its op. */
  #stored(node: Node, perm: Perm): readonly string[] {
    return [this.#state.form(this.#input(node, 0), perm)];
  }

  /** An op with one input that works in whatever order that input is stored. */
  #inOrder(node: Node, emit: (perm: Perm) => void): void {
    const view = this.#input(node, 0);
    emit(view.base.constant === undefined ? view.perm : identityPerm(view.perm.length));
  }

  #elementwise(node: Node): void {
    const view = this.#input(node, 0);
    if (view.base.constant !== undefined) {
      if (node.op === "Dequantize" && view.base.dequantize === undefined) this.#state.defineDequantized(node);
      else this.#state.emit(node, node.op, this.#ownOrder(node), node.attrs);
      return;
    }
    this.#state.emit(node, node.op, [this.#state.form(view, view.perm)], node.attrs, view.perm, view.columns);
  }

  /** The order of the largest operand that has the output's rank; on a tie, a permuted one. */
  #commonOrder(node: Node, rank: number): Perm {
    let best: View | undefined;
    for (const name of node.inputs) {
      const view = this.#state.view(name);
      if (view.base.constant !== undefined || view.perm.length !== rank) continue;
      const larger = best === undefined ? 1 : viewSize(view) - viewSize(best);
      if (larger > 0 || (larger === 0 && best !== undefined && isIdentity(best.perm))) best = view;
    }
    return best?.perm ?? identityPerm(rank);
  }

  #binary(node: NodeWith<"Binary">): void {
    const rank = this.#output(node).shape.length;
    const perm = this.#commonOrder(node, rank);
    if (isIdentity(perm)) return this.#state.emit(node, "Binary", this.#ownOrder(node), node.attrs);
    const inputs = node.inputs.map((name) => this.#operand(name, rank, perm));
    this.#state.emit(node, "Binary", inputs, node.attrs, perm);
  }

  /** A broadcast operand in the order `perm` of a tensor of rank `rank`. */
  #operand(name: string, rank: number, perm: Perm): string {
    const view = this.#state.view(name);
    const tensor = tensorOf(this.#graph, name);
    if (tensor.shape.length === rank) return this.#state.form(view, perm);
    const own = this.#state.form(view);
    if (elementCount(tensor.shape) === 1) return own;
    const padded: Shape = [...new Array<number>(rank - tensor.shape.length).fill(1), ...tensor.shape];
    const inverse = invertPerm(perm);
    if (isConstant(tensor) && tensor.quant?.axis === undefined) {
      const data = permuteData(tensor.data, tensor.dtype, padded, inverse);
      return this.#state.addConstant({ ...withoutCode(tensor), shape: permuteList(padded, inverse), data });
    }
    const direct = movesOnlyUnits(padded, inverse);
    const reshaped = this.#state.reshape(own, direct ? permuteList(padded, inverse) : padded);
    return direct ? reshaped : this.#state.form(this.#state.viewOf(reshaped), perm);
  }

  #concat(node: NodeWith<"Concat">): void {
    const perm = this.#commonOrder(node, this.#output(node).shape.length);
    const inputs = node.inputs.map((name) => this.#state.formOf(name, perm));
    this.#state.emit(node, "Concat", inputs, { axis: perm[node.attrs.axis]! }, perm);
  }

  #reduce(node: NodeWith<"Reduce">): void {
    this.#inOrder(node, (perm) => {
      const { axes, keepDims } = node.attrs;
      const stored = axes.map((axis) => perm[axis]!).sort((a, b) => a - b);
      const attrs = { ...node.attrs, axes: stored };
      this.#state.emit(node, "Reduce", this.#stored(node, perm), attrs, keepDims ? perm : withoutAxes(perm, axes));
    });
  }

  #expand(node: NodeWith<"Expand">): void {
    const view = this.#input(node, 0);
    if (view.perm.length !== this.#output(node).shape.length) return this.#state.emit(node, "Expand", this.#ownOrder(node), {});
    this.#inOrder(node, (perm) => this.#state.emit(node, "Expand", this.#stored(node, perm), {}, perm));
  }

  #gather(node: NodeWith<"Gather">): void {
    const view = this.#input(node, 0);
    const indices = this.#state.formOf(node.inputs[1]!);
    const indexRank = tensorOf(this.#graph, node.inputs[1]!).shape.length;
    const { axis } = node.attrs;
    if (indexRank > 1 || view.base.constant !== undefined) {
      return this.#state.emit(node, "Gather", this.#ownOrder(node), node.attrs);
    }
    const perm = indexRank === 1 ? view.perm : withoutAxes(view.perm, [axis]);
    this.#state.emit(node, "Gather", [this.#state.form(view, view.perm), indices], { axis: view.perm[axis]! }, perm);
  }

  #dense(node: NodeWith<"Dense">): void {
    const view = this.#input(node, 0);
    const [, weights, bias] = node.inputs;
    if (view.columns !== undefined) {
      const inputs = [this.#state.form(view), this.#permutedColumns(weights!, view.columns), this.#state.formOf(bias ?? "")];
      return this.#state.emit(node, "Dense", bias === undefined ? inputs.slice(0, 2) : inputs, node.attrs);
    }
    const rank = view.perm.length;
    const perm = view.perm[rank - 1] === rank - 1 && view.base.constant === undefined ? view.perm : identityPerm(rank);
    const inputs = [this.#state.form(view, perm), ...node.inputs.slice(1).map((name) => this.#state.formOf(name))];
    this.#state.emit(node, "Dense", inputs, node.attrs, perm);
  }

  /** Dense weights [N, K] whose column j is old column `columns[j]`. */
  #permutedColumns(name: string, columns: Int32Array): string {
    const view = this.#state.view(name);
    const { constant } = view.base;
    if (constant === undefined || !isIdentity(view.perm)) throw new Error(`internal: weights "${name}" are not a plain constant`);
    const code = constant.code && permuteColumns(constant.code, columns);
    const permuted: Constant = { ...withoutCode(constant), data: movedColumns(constant.data, columns), ...(code && { code }) };
    return this.#state.form({ ...view, base: { ...view.base, constant: permuted, forms: new Map() } });
  }

  /** Swapped last axes become the op's transpose flags. */
  #matMul(node: NodeWith<"MatMul">): void {
    const flags = [node.attrs.transposeA, node.attrs.transposeB];
    const inputs = node.inputs.map((name, i) => {
      const view = this.#state.view(name);
      const rank = view.perm.length;
      const swapped = rank < 2 ? [] : [...identityPerm(rank - 2), rank - 1, rank - 2];
      if (view.base.constant !== undefined || !samePerm(view.perm, swapped)) return this.#state.form(view);
      flags[i] = !flags[i];
      return this.#state.form(view, swapped);
    });
    this.#state.emit(node, "MatMul", inputs, { transposeA: flags[0]!, transposeB: flags[1]! });
  }

  #reshape(node: NodeWith<"Reshape">): void {
    const view = this.#input(node, 0);
    const from = tensorOf(this.#graph, node.inputs[0]!).shape;
    const output = this.#output(node);
    const finish = (input: string, shape: Shape, perm?: Perm, columns?: Int32Array): void => {
      const ownOrder = perm === undefined || isIdentity(perm) || !this.#outputs.has(output.name);
      const stored = this.#state.reshape(input, shape, { node: node.name, ...(ownOrder && { tensor: output.name }) });
      this.#state.define(output.name, this.#state.viewOf(stored, perm, columns));
    };
    const inverse = invertPerm(view.perm);
    if (view.base.constant !== undefined || isIdentity(view.perm)) return finish(this.#state.form(view), output.shape);
    const stored = this.#state.form(view, view.perm);
    if (movesOnlyUnits(permuteList(from, inverse), view.perm)) return finish(stored, output.shape);
    if (elementCount(from) === 0) return finish(this.#state.form(view), output.shape);

    const batchFirst = from[0] === 1 || view.perm[0] === 0;
    const flattens = output.shape.length === 2 && output.shape[0] === from[0] && from.length > 2;
    if (batchFirst && flattens && this.#onlyDenseReads(output.name)) {
      const inner = inverse.filter((d) => d !== 0).map((d) => d - 1);
      const iota = Int32Array.from({ length: output.shape[1]! }, (_, i) => i);
      const columns = permuteData(iota, "int32", from.slice(1), inner) as Int32Array;
      return finish(stored, output.shape, undefined, columns);
    }
    const plan = planReshape(from, output.shape, view.perm);
    const input = this.#state.form(view, plan.inputPerm);
    finish(input, permuteList(output.shape, invertPerm(plan.outputPerm)), plan.outputPerm);
  }

  /** True when every reader, through a few elementwise ops, is a Dense layer with constant weights. */
  #onlyDenseReads(name: string, depth = 0): boolean {
    if (this.#outputs.has(name) || depth > 8) return false;
    const readers = this.#consumers.get(name) ?? [];
    return readers.every((node) => {
      if (node.op === "Dense") return node.inputs[0] === name && this.#hasPlainWeights(node);
      const passes = node.op === "Unary" || node.op === "Quantize" || node.op === "Dequantize" || node.op === "Requantize";
      return passes && this.#output(node).quant?.axis === undefined && this.#onlyDenseReads(node.outputs[0]!, depth + 1);
    });
  }

  #hasPlainWeights(node: NodeWith<"Dense">): boolean {
    const weights = node.inputs[1]!;
    if (node.inputs.lastIndexOf(weights) !== 1 || tensorOf(this.#graph, weights).shape.length !== 2) return false;
    const reader = this.#graph.nodes.find((n) => n.outputs[0] === weights);
    const source = reader?.op === "Dequantize" ? reader.inputs[0]! : reader === undefined ? weights : undefined;
    if (source === undefined) return false;
    const tensor = tensorOf(this.#graph, source);
    return isConstant(tensor) && tensor.quant?.axis !== 1;
  }
}

/** The permutation of what is left when old axes `axes` are dropped. */
function withoutAxes(perm: Perm, axes: readonly number[]): Perm {
  const left = perm.filter((_, i) => !axes.includes(i));
  const sorted = left.toSorted((a, b) => a - b);
  return left.map((position) => sorted.indexOf(position));
}
