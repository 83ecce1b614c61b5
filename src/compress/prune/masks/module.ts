/**
 * A layer's parameters that can be pruned. A pruned parameter is held as the original and a mask, both trainable state and first-class: its value is
 * their product, computed anew by `beforeForward`. Parameters are objects with identity: two layers that share weights share one.
 */
import { UsageError } from "../../../errors.ts";
import { elementCount } from "../../../graph/dtype.ts";
import type { Shape } from "../../../graph/ir.ts";
import { checkShape, nextMask } from "./method.ts";
import type { PruningMethod, Values } from "./method.ts";

interface Reparametrization {
  readonly mask: Uint8Array;
  /** In the order in which they were applied. */
  readonly methods: readonly PruningMethod[];
}

export class Parameter {
  readonly shape: Shape;
  /** What optimizers change. */
  readonly #orig: Float32Array;
  #value: Float32Array;
  #pruned: Reparametrization | undefined;

  /** @throws ShapeError when `data` has another length than `shape` */
  constructor({ shape, data }: Values) {
    checkShape("data", [data.length], [elementCount(shape)]);
    this.shape = shape;
    this.#orig = Float32Array.from(data);
    this.#value = this.#orig;
  }

  /** As the layer sees it: since the last `beforeForward`, the original times the mask. */
  get value(): Float32Array {
    return this.#value;
  }

  /** Not masked. Write into it, then call `beforeForward`. */
  get orig(): Float32Array {
    return this.#orig;
  }

  /** 1 for each entry that stays; undefined: not pruned. */
  get mask(): Uint8Array | undefined {
    return this.#pruned?.mask;
  }

  get methods(): readonly PruningMethod[] {
    return this.#pruned?.methods ?? [];
  }

  get isPruned(): boolean {
    return this.#pruned !== undefined;
  }

  /**
   * Applies one more method. What is there already is what its type says (see PruningMethod). Nothing changes when it throws.
   * @param scores importance of each entry, of this parameter's shape; absent: the value
   * @throws ShapeError, UsageError, and what the method throws
   */
  prune(method: PruningMethod, scores?: Values): void {
    if (scores !== undefined) checkShape("importance scores", scores.shape, this.shape);
    const before = this.#pruned?.mask ?? new Uint8Array(this.#orig.length).fill(1);
    const mask = nextMask(method, scores ?? { shape: this.shape, data: this.#value }, before);
    this.#pruned = { mask, methods: [...this.methods, method] };
    this.beforeForward();
  }

  /** The hook before each forward pass: value = original × mask. */
  beforeForward(): void {
    const mask = this.#pruned?.mask;
    // A pruned entry is +0, also where the original is negative, infinite or NaN.
    this.#value = mask === undefined ? this.#orig : this.#orig.map((value, i) => (mask[i] === 1 ? value : 0));
  }

  /** The gradient of the original for one of the value: zero where pruned. */
  gradient(ofValue: Float32Array): Float32Array {
    checkShape("gradient", [ofValue.length], [this.#orig.length]);
    const { mask } = this;
    return mask === undefined ? ofValue : ofValue.map((g, i) => (mask[i] === 1 ? g : 0));
  }

  /** Makes the zeros permanent: the original takes the value, the mask goes. @throws UsageError when it is not pruned */
  remove(): void {
    if (this.#pruned === undefined) throw new UsageError("pruning: remove: the parameter is not pruned");
    this.beforeForward();
    this.#orig.set(this.#value);
    this.#pruned = undefined;
    this.#value = this.#orig;
  }
}

export class PrunableModule {
  readonly name: string;
  readonly parameters: ReadonlyMap<string, Parameter>;

  constructor(name: string, parameters: ReadonlyMap<string, Parameter> | Readonly<Record<string, Values>>) {
    this.name = name;
    this.parameters =
      parameters instanceof Map
        ? (parameters as ReadonlyMap<string, Parameter>)
        : new Map(Object.entries(parameters as Record<string, Values>).map(([key, values]) => [key, new Parameter(values)]));
  }

  /** @throws UsageError naming those that there are */
  parameter(name: string): Parameter {
    const parameter = this.parameters.get(name);
    if (parameter === undefined)
      throw new UsageError(`pruning: module "${this.name}" has no parameter "${name}". Known: ${[...this.parameters.keys()].join(", ")}`);
    return parameter;
  }

  get isPruned(): boolean {
    return [...this.parameters.values()].some((parameter) => parameter.isPruned);
  }

  beforeForward(): void {
    for (const parameter of this.parameters.values()) parameter.beforeForward();
  }
}
