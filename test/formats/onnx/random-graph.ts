/** Seeded random float graphs with Transposes, reshapes and spatial ops in any order: material for the layout pass and the exporter. */
import { mulberry32 } from "../../../src/data/random.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { elementCount } from "../../../src/graph/dtype.ts";
import type { Graph, Shape } from "../../../src/graph/ir.ts";

class RandomGraph {
  readonly #builder: GraphBuilder;
  readonly #random: () => number;
  /** Tensors to read from; later ones are likelier. */
  readonly #pool: string[];
  #count = 0;

  constructor(seed: number) {
    this.#random = mulberry32(seed);
    this.#builder = new GraphBuilder(`random_${seed}`);
    const shape = this.#pick([
      [1, 4, 6, 5],
      [2, 3, 4, 6],
      [1, 1, 6, 4],
      [1, 5, 4, 1],
    ]);
    this.#pool = [this.#builder.input("x", "float32", shape)];
    if (this.#random() < 0.4) this.#pool.push(this.#builder.input("z", "float32", shape));
  }

  build(nodes: number): Graph {
    for (let i = 0; i < nodes; i++) this.#step();
    const last = this.#pool.at(-1)!;
    const outputs = new Set([last]);
    if (this.#random() < 0.5) outputs.add(this.#pool.at(-2) ?? last);
    if (this.#random() < 0.1) outputs.add("x");
    return this.#builder.finish([...outputs]);
  }

  #int(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#int(0, list.length - 1)]!;
  }

  #source(): string {
    const back = Math.floor(this.#random() ** 3 * this.#pool.length);
    return this.#pool[this.#pool.length - 1 - back]!;
  }

  #shape(name: string): Shape {
    return this.#builder.tensor(name).shape;
  }

  #constant(shape: Shape): string {
    const data = Float32Array.from({ length: elementCount(shape) }, () => this.#random() * 2 - 1);
    return this.#builder.constant(`c${this.#count++}`, "float32", shape, data);
  }

  #permutation(rank: number): readonly number[] {
    const usual =
      rank === 4
        ? [
            [0, 2, 3, 1],
            [0, 3, 1, 2],
          ]
        : rank === 3
          ? [[0, 2, 1]]
          : [];
    if (usual.length > 0 && this.#random() < 0.7) return this.#pick(usual);
    const perm = Array.from({ length: rank }, (_, i) => i);
    for (let i = rank - 1; i > 0; i--) {
      const j = this.#int(0, i);
      [perm[i], perm[j]] = [perm[j]!, perm[i]!];
    }
    return perm;
  }

  #step(): void {
    const x = this.#source();
    const shape = this.#shape(x);
    const rank = shape.length;
    const name = `n${this.#count++}`;
    const builder = this.#builder;
    const push = (output: string): number => this.#pool.push(output);
    const axis = this.#int(0, Math.max(0, rank - 1));
    switch (this.#int(0, rank === 4 ? 17 : 13)) {
      case 0:
      case 1:
        if (rank > 1) push(builder.add("Transpose", name, [x], { perm: this.#permutation(rank) }));
        return;
      case 2:
        push(builder.add("Unary", name, [x], { fn: this.#pick(["relu", "sigmoid", "tanh", "hardswish"] as const) }));
        return;
      case 3: {
        // A constant that broadcasts: some axes 1, some leading ones left out.
        const other = shape.map((d) => (this.#random() < 0.5 ? 1 : d)).slice(this.#int(0, rank));
        const inputs = [x, this.#constant(other)];
        push(
          builder.add("Binary", name, this.#random() < 0.5 ? inputs : inputs.reverse(), {
            fn: this.#pick(["add", "mul", "sub", "max"] as const),
          }),
        );
        return;
      }
      case 4: {
        const partner = this.#pool.toReversed().find((p) => p !== x && broadcasts(this.#shape(p), shape)) ?? x;
        push(builder.add("Binary", name, [x, partner], { fn: this.#pick(["add", "mul"] as const) }));
        return;
      }
      case 5: {
        const partner = this.#pool.toReversed().find((p) => this.#shape(p).join() === shape.join() && p !== x) ?? x;
        if (rank > 0) push(builder.add("Concat", name, [x, partner], { axis }));
        return;
      }
      case 6: {
        const axes = shape.flatMap((_, i) => (this.#random() < 0.4 ? [i] : []));
        if (axes.length > 0 && axes.length < rank) {
          push(builder.add("Reduce", name, [x], { fn: this.#pick(["mean", "max", "sum"] as const), axes, keepDims: this.#random() < 0.6 }));
        }
        return;
      }
      case 7: {
        const steps = shape.map(() => this.#pick([1, 1, 1, 2, -1]));
        const starts = shape.map((d, i) => (steps[i]! < 0 ? d - 1 : this.#int(0, Math.min(1, d - 1))));
        const counts = shape.map((d, i) => Math.max(1, steps[i]! < 0 ? d : Math.floor((d - starts[i]! + steps[i]! - 1) / steps[i]!)));
        push(builder.add("Slice", name, [x], { starts, steps }, { shape: counts }));
        return;
      }
      case 8:
        push(
          builder.add("Pad", name, [x], {
            before: shape.map(() => this.#int(0, 1)),
            after: shape.map(() => this.#int(0, 1)),
            mode: this.#pick(["constant", "edge"] as const),
            value: 0.5,
          }),
        );
        return;
      case 9:
        if (rank > 0) push(builder.add("Softmax", name, [x], { axis, beta: this.#pick([1, 0.5]) }));
        return;
      case 10:
      case 11:
        push(builder.add("Reshape", name, [x], {}, { shape: this.#regrouped(shape) }));
        return;
      case 12: {
        const k = shape.at(-1);
        if (k !== undefined) push(builder.add("Dense", name, [x, this.#constant([this.#int(1, 5), k])], {}));
        return;
      }
      case 13: {
        if (rank < 1) return;
        const scalarIndex = this.#random() < 0.5;
        const indices = builder.constant(`i${name}`, "int64", scalarIndex ? [] : [2], Float64Array.from(scalarIndex ? [0] : [0, -1]));
        push(builder.add("Gather", name, [x, indices], { axis }));
        return;
      }
      case 14: {
        const [kh, kw] = [Math.min(shape[1]!, 2), Math.min(shape[2]!, 2)];
        const w = this.#constant([this.#int(1, 4), kh, kw, shape[3]!]);
        const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1 } as const;
        push(builder.add("Conv2D", name, [x, w], { ...attrs, activation: { kind: "clamp", min: 0, max: 6 } }));
        return;
      }
      case 15: {
        const w = this.#constant([1, 3, 3, shape[3]!]);
        const attrs = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: shape[3]! } as const;
        push(builder.add("DepthwiseConv2D", name, [x, w, this.#constant([shape[3]!])], attrs));
        return;
      }
      case 16: {
        const attrs = {
          kernel: [2, 2],
          strides: [1, 1],
          dilations: [1, 1],
          pads: [1, 1, 0, 0],
          countIncludePad: this.#random() < 0.5,
        } as const;
        push(builder.add(this.#pick(["MaxPool2D", "AveragePool2D"] as const), name, [x], attrs));
        return;
      }
      default: {
        const scales = [1, 2, 1, 1];
        const attrs = {
          mode: "nearest",
          coordinates: "asymmetric",
          nearestMode: "floor",
          cubicCoeff: -0.75,
          excludeOutside: false,
        } as const;
        if (elementCount(shape) < 2000) push(builder.add("Resize", name, [x], { ...attrs, scales }));
      }
    }
  }

  /** Another shape of the same elements: neighbours merged, split, or 1s put in and taken out. */
  #regrouped(shape: Shape): Shape {
    const out: number[] = [];
    for (const d of shape) {
      const kind = this.#random();
      if (kind < 0.3 && out.length > 0) out[out.length - 1]! *= d;
      else if (kind < 0.45 && d % 2 === 0) out.push(d / 2, 2);
      else if (kind < 0.55 && out.length < 4) out.push(1, d);
      else if (kind >= 0.65 || d !== 1) out.push(d);
    }
    return out.length > 5 ? [elementCount(out)] : out;
  }
}

function broadcasts(a: Shape, b: Shape): boolean {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1] as const).every(
    ([p, q]) => p === q || p === 1 || q === 1,
  );
}

export function randomGraph(seed: number, nodes = 14): Graph {
  return new RandomGraph(seed).build(nodes);
}
