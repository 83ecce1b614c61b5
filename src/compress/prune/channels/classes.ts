/**
 * Which positions of which tensors live and die together: a union-find over every index of every axis of a graph's tensors. Two indices
 * are in one class when neither can be removed without the other (both sides of an addition, a filter and what reads it). A class is
 * fixed when something needs it as it is; the first reason is kept for messages.
 */
import { invariant } from "../../../errors.ts";
import type { Graph } from "../../../graph/ir.ts";

/** A class, by a representative that changes while classes are still being joined. */
export type ClassId = number;

export class IndexClasses {
  readonly #base = new Map<string, readonly number[]>();
  readonly #parent: Int32Array;
  readonly #reasons = new Map<ClassId, string>();

  constructor(graph: Graph) {
    let next = 0;
    for (const { name, shape } of graph.tensors.values()) {
      const base: number[] = [];
      for (const size of shape) {
        base.push(next);
        next += size;
      }
      this.#base.set(name, base);
    }
    this.#parent = Int32Array.from({ length: next }, (_, i) => i);
  }

  /** The class of one index of one axis of a tensor. */
  of(tensor: string, axis: number, index: number): ClassId {
    const base = this.#base.get(tensor)?.[axis];
    invariant(base !== undefined, `tensor "${tensor}" has no axis ${axis}`);
    let id = base + index;
    while (this.#parent[id] !== id) {
      this.#parent[id] = this.#parent[this.#parent[id]!]!;
      id = this.#parent[id]!;
    }
    return id;
  }

  join(a: ClassId, b: ClassId): void {
    if (a === b) return;
    this.#parent[b] = a;
    const reason = this.#reasons.get(b);
    if (reason !== undefined) this.fix(a, reason);
    this.#reasons.delete(b);
  }

  fix(id: ClassId, reason: string): void {
    if (!this.#reasons.has(id)) this.#reasons.set(id, reason);
  }

  /** Why the class cannot be removed; undefined when it can. */
  reason(id: ClassId): string | undefined {
    return this.#reasons.get(id);
  }
}
