/**
 * What each op demands of the indices of its tensors: which of them can only be removed together, and which must stay. Everything that an op
 * computes across (a softmax's or a reduction's axis, a window's rows and columns) stays; so does whatever the rules do not cover, which
 * makes a cut too small, never wrong. What comes in and goes out of the graph stays.
 */
import { inputTensor, outputTensor, requireInput } from "../../../graph/access.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { Graph, Node, NodeWith, Shape, Tensor } from "../../../graph/ir.ts";
import { IndexClasses } from "./classes.ts";

/** One axis of one tensor. */
interface Axis {
  readonly tensor: Tensor;
  readonly axis: number;
}

/** @returns the classes of all indices of the graph */
export function coupleIndices(graph: Graph): IndexClasses {
  const coupling = new Coupling(graph);
  for (const name of graph.inputs) coupling.fixTensor(graph.tensors.get(name)!, "it is an input of the model");
  for (const node of graph.nodes) coupling.visit(node);
  for (const name of graph.outputs) coupling.fixTensor(graph.tensors.get(name)!, "it is an output of the model");
  return coupling.classes;
}

class Coupling {
  readonly classes: IndexClasses;
  readonly #graph: Graph;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.classes = new IndexClasses(graph);
  }

  fixTensor(tensor: Tensor, reason: string): void {
    tensor.shape.forEach((_, axis) => this.#fix({ tensor, axis }, reason));
  }

  visit(node: Node): void {
    switch (node.op) {
      case "Conv2D":
      case "ConvTranspose2D":
        return this.#convolution(node);
      case "DepthwiseConv2D":
        return this.#depthwise(node);
      case "Dense":
        return this.#dense(node);
      case "MatMul":
        return this.#matMul(node);
      case "Binary":
      case "Expand":
        for (const input of this.#inputs(node)) this.#broadcast(node, input);
        return;
      case "Unary":
      case "Cast":
      case "Quantize":
      case "Dequantize":
      case "Requantize":
        return this.#elementwise(node, []);
      case "Softmax":
        return this.#elementwise(node, [node.attrs.axis]);
      case "MaxPool2D":
      case "AveragePool2D":
        return this.#elementwise(node, [1, 2]);
      case "Resize":
        return this.#elementwise(
          node,
          node.attrs.scales.flatMap((scale, axis) => (scale === 1 ? [] : [axis])),
        );
      case "Reduce":
        return this.#reduce(node);
      case "BatchNorm":
        return this.#batchNorm(node);
      case "Concat":
        return this.#concat(node);
      case "Reshape":
        return this.#reshape(node);
      case "Transpose": {
        const [x, y] = [requireInput(this.#graph, node, 0), outputTensor(this.#graph, node)];
        node.attrs.perm.forEach((from, axis) => this.#join({ tensor: x, axis: from }, { tensor: y, axis }));
        return;
      }
      case "Slice":
        return this.#slice(node);
      case "Pad":
        return this.#pad(node);
      case "Gather":
        return this.#keep(node);
    }
  }

  #inputs(node: Node): readonly Tensor[] {
    return node.inputs.flatMap((_, i) => inputTensor(this.#graph, node, i) ?? []);
  }

  #id({ tensor, axis }: Axis, index: number): number {
    return this.classes.of(tensor.name, axis, index);
  }

  #fix(at: Axis, reason: string): void {
    for (let i = 0; i < at.tensor.shape[at.axis]!; i++) this.classes.fix(this.#id(at, i), reason);
  }

  /** Index i of one with index i of the other; axes of different length stay as they are. */
  #join(a: Axis, b: Axis, reason = "its length changes"): void {
    const size = a.tensor.shape[a.axis]!;
    if (size !== b.tensor.shape[b.axis]!) {
      this.#fix(a, reason);
      this.#fix(b, reason);
      return;
    }
    for (let i = 0; i < size; i++) this.classes.join(this.#id(a, i), this.#id(b, i));
  }

  /** Everything about the node stays. */
  #keep(node: Node): void {
    for (const tensor of [...this.#inputs(node), outputTensor(this.#graph, node)]) this.fixTensor(tensor, across(node));
  }

  /** Output index = input index on all axes; those in `held` stay. */
  #elementwise(node: Node, held: readonly number[]): void {
    const [x, y] = [requireInput(this.#graph, node, 0), outputTensor(this.#graph, node)];
    x.shape.forEach((_, axis) => {
      if (held.includes(axis)) for (const tensor of [x, y]) this.#fix({ tensor, axis }, across(node));
      else this.#join({ tensor: x, axis }, { tensor: y, axis });
    });
  }

  /** Numpy's rule: axes are matched from the last; a length of 1 meets any. */
  #broadcast(node: Node, input: Tensor): void {
    const output = outputTensor(this.#graph, node);
    const shift = output.shape.length - input.shape.length;
    input.shape.forEach((size, i) => {
      const at: Axis = { tensor: input, axis: i };
      const to: Axis = { tensor: output, axis: i + shift };
      if (size === output.shape[to.axis]) this.#join(to, at);
      else this.#fix(at, across(node));
    });
    if (node.op !== "Expand") return;
    output.shape.forEach((size, axis) => {
      if (size !== input.shape[axis - shift]) this.#fix({ tensor: output, axis }, across(node));
    });
  }

  #convolution(node: NodeWith<"Conv2D"> | NodeWith<"ConvTranspose2D">): void {
    if (node.attrs.groups !== 1) return this.#keep(node);
    const [x, w, y] = [requireInput(this.#graph, node, 0), requireInput(this.#graph, node, 1), outputTensor(this.#graph, node)];
    this.#image(node, x, w, y);
    this.#join({ tensor: w, axis: 3 }, { tensor: x, axis: 3 });
    this.#join({ tensor: w, axis: 0 }, { tensor: y, axis: 3 });
    this.#perOutput(node, 2, { tensor: y, axis: 3 });
  }

  #depthwise(node: NodeWith<"DepthwiseConv2D">): void {
    const [x, w, y] = [requireInput(this.#graph, node, 0), requireInput(this.#graph, node, 1), outputTensor(this.#graph, node)];
    this.#image(node, x, w, y);
    this.#fix({ tensor: w, axis: 0 }, across(node));
    const multiplier = w.shape[3]! / x.shape[3]!;
    for (let o = 0; o < w.shape[3]!; o++) {
      const output = this.#id({ tensor: y, axis: 3 }, o);
      this.classes.join(output, this.#id({ tensor: w, axis: 3 }, o));
      this.classes.join(this.#id({ tensor: y, axis: 3 }, o), this.#id({ tensor: x, axis: 3 }, Math.floor(o / multiplier)));
    }
    this.#perOutput(node, 2, { tensor: y, axis: 3 });
  }

  /** Images joined along the batch, fixed in rows and columns like the window. */
  #image(node: Node, x: Tensor, w: Tensor, y: Tensor): void {
    this.#join({ tensor: x, axis: 0 }, { tensor: y, axis: 0 });
    for (const axis of [1, 2]) for (const tensor of [x, w, y]) this.#fix({ tensor, axis }, across(node));
  }

  #dense(node: NodeWith<"Dense">): void {
    const [x, w, y] = [requireInput(this.#graph, node, 0), requireInput(this.#graph, node, 1), outputTensor(this.#graph, node)];
    const last = x.shape.length - 1;
    for (let axis = 0; axis < last; axis++) this.#join({ tensor: x, axis }, { tensor: y, axis });
    this.#join({ tensor: w, axis: 1 }, { tensor: x, axis: last });
    this.#join({ tensor: w, axis: 0 }, { tensor: y, axis: last });
    this.#perOutput(node, 2, { tensor: y, axis: last });
  }

  /** An input with one value for each channel: [C], or C and ones. */
  #perOutput(node: Node, input: number, channels: Axis): void {
    const tensor = inputTensor(this.#graph, node, input);
    tensor?.shape.forEach((size, axis) => {
      if (size === channels.tensor.shape[channels.axis]) this.#join(channels, { tensor, axis });
      else this.#fix({ tensor, axis }, across(node));
    });
  }

  #matMul(node: NodeWith<"MatMul">): void {
    const [a, b, y] = [requireInput(this.#graph, node, 0), requireInput(this.#graph, node, 1), outputTensor(this.#graph, node)];
    // Vectors and broadcast batches have no channels to cut.
    if (a.shape.length < 2 || b.shape.length < 2) return this.#keep(node);
    const [ra, rb, ry] = [a.shape.length, b.shape.length, y.shape.length];
    const [rows, innerA] = node.attrs.transposeA ? [ra - 1, ra - 2] : [ra - 2, ra - 1];
    const [innerB, columns] = node.attrs.transposeB ? [rb - 1, rb - 2] : [rb - 2, rb - 1];
    this.#join({ tensor: a, axis: innerA }, { tensor: b, axis: innerB });
    this.#join({ tensor: a, axis: rows }, { tensor: y, axis: ry - 2 });
    this.#join({ tensor: b, axis: columns }, { tensor: y, axis: ry - 1 });
    for (const [tensor, rank] of [
      [a, ra],
      [b, rb],
    ] as const) {
      for (let axis = 0; axis < rank - 2; axis++) this.#join({ tensor, axis }, { tensor: y, axis: axis + ry - rank }, across(node));
    }
  }

  #reduce(node: NodeWith<"Reduce">): void {
    const [x, y] = [requireInput(this.#graph, node, 0), outputTensor(this.#graph, node)];
    const { axes, keepDims } = node.attrs;
    let to = 0;
    x.shape.forEach((_, axis) => {
      if (axes.includes(axis)) {
        this.#fix({ tensor: x, axis }, across(node));
        if (keepDims) this.#fix({ tensor: y, axis: to++ }, across(node));
      } else this.#join({ tensor: x, axis }, { tensor: y, axis: to++ });
    });
  }

  #batchNorm(node: NodeWith<"BatchNorm">): void {
    this.#elementwise(node, []);
    const y = outputTensor(this.#graph, node);
    for (let i = 1; i < 5; i++) this.#perOutput(node, i, { tensor: y, axis: y.shape.length - 1 });
  }

  #concat(node: NodeWith<"Concat">): void {
    const y = outputTensor(this.#graph, node);
    let offset = 0;
    for (const x of this.#inputs(node)) {
      x.shape.forEach((size, axis) => {
        if (axis !== node.attrs.axis) return this.#join({ tensor: x, axis }, { tensor: y, axis });
        for (let i = 0; i < size; i++) this.classes.join(this.#id({ tensor: y, axis }, offset + i), this.#id({ tensor: x, axis }, i));
      });
      offset += x.shape[node.attrs.axis]!;
    }
  }

  /** A run of channels (as in a split) can lose some; anything with gaps stays. */
  #slice(node: NodeWith<"Slice">): void {
    const [x, y] = [requireInput(this.#graph, node, 0), outputTensor(this.#graph, node)];
    x.shape.forEach((size, axis) => {
      const [start, step, count] = [node.attrs.starts[axis]!, node.attrs.steps[axis]!, y.shape[axis]!];
      if (step !== 1 && count > 1) {
        for (const tensor of [x, y]) this.#fix({ tensor, axis }, across(node));
        return;
      }
      for (let i = 0; i < count && start + i < size; i++)
        this.classes.join(this.#id({ tensor: x, axis }, start + i), this.#id({ tensor: y, axis }, i));
    });
  }

  #pad(node: NodeWith<"Pad">): void {
    const [x, y] = [requireInput(this.#graph, node, 0), outputTensor(this.#graph, node)];
    x.shape.forEach((_, axis) => this.#join({ tensor: x, axis }, { tensor: y, axis }, across(node)));
  }

  /**
   * Both shapes are cut into runs of axes with equal products. A run of one axis each is a rename. In a merge (flatten) the run's other axes
   * must be fixed, so that the indices follow one axis; in a split the indices must depend on one of the new axes only.
   */
  #reshape(node: NodeWith<"Reshape">): void {
    const [x, y] = [requireInput(this.#graph, node, 0), outputTensor(this.#graph, node)];
    for (const tensor of [x, y]) tensor.shape.forEach((size, axis) => size === 1 && this.#fix({ tensor, axis }, across(node)));
    for (const [from, to] of runs(x.shape, y.shape)) {
      const sources = from.map((axis): Axis => ({ tensor: x, axis }));
      const targets = to.map((axis): Axis => ({ tensor: y, axis }));
      const [wide, narrow] = sources.length >= targets.length ? [sources, targets] : [targets, sources];
      const followed = narrow.length === 1 ? this.#followed(wide, narrow[0]!, wide === sources) : undefined;
      if (followed === undefined) for (const at of [...sources, ...targets]) this.#fix(at, across(node));
      else {
        const flat = narrow[0]!;
        for (const at of wide) if (at !== followed) this.#fix(at, across(node));
        const stride = strideOf(wide, followed);
        const size = followed.tensor.shape[followed.axis]!;
        for (let j = 0; j < flat.tensor.shape[flat.axis]!; j++)
          this.classes.join(this.#id(followed, Math.floor(j / stride) % size), this.#id(flat, j));
      }
    }
  }

  /** The axis of `wide` whose index alone decides what the flat axis holds. */
  #followed(wide: readonly Axis[], flat: Axis, merges: boolean): Axis | undefined {
    if (wide.length === 1) return wide[0];
    if (merges) {
      const free = wide.filter((at) => !this.#isFixed(at));
      return free.length === 1 ? free[0] : undefined;
    }
    const flatSize = flat.tensor.shape[flat.axis]!;
    return wide.find((at) => {
      const stride = strideOf(wide, at);
      const size = at.tensor.shape[at.axis]!;
      const ids = new Map<number, number>();
      for (let j = 0; j < flatSize; j++) {
        const index = Math.floor(j / stride) % size;
        const id = this.#id(flat, j);
        if (ids.has(index) && ids.get(index) !== id) return false;
        ids.set(index, id);
      }
      return true;
    });
  }

  #isFixed(at: Axis): boolean {
    const size = at.tensor.shape[at.axis]!;
    for (let i = 0; i < size; i++) if (this.classes.reason(this.#id(at, i)) === undefined) return false;
    return true;
  }
}

function across(node: Node): string {
  return `${node.op} "${node.name}" needs it whole`;
}

/** Elements between two neighbours of an axis, within its run. */
function strideOf(run: readonly Axis[], at: Axis): number {
  const after = run.slice(run.indexOf(at) + 1);
  return after.reduce((product, { tensor, axis }) => product * tensor.shape[axis]!, 1);
}

/** Pairs of axes from both shapes with equal products, as short as possible; axes of length 1 are in none. Nothing for empty tensors. */
function runs(a: Shape, b: Shape): readonly (readonly [readonly number[], readonly number[]])[] {
  if (elementCount(a) === 0) return [];
  const found: [number[], number[]][] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [from, to]: [number[], number[]] = [[], []];
    let [productA, productB] = [1, 1];
    do {
      if (productA <= productB && i < a.length) {
        productA *= a[i]!;
        if (a[i]! > 1) from.push(i);
        i++;
      } else {
        productB *= b[j]!;
        if (b[j]! > 1) to.push(j);
        j++;
      }
    } while (productA !== productB);
    if (from.length > 0) found.push([from, to]);
  }
  return found;
}
