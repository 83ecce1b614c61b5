/** The methods of torch.nn.utils.prune. Exactly the asked number of units goes; among equals the earlier. Random ones draw from a seed. */
import { ShapeError, UsageError, formatShape } from "../../../errors.ts";
import type { Shape } from "../../../graph/ir.ts";
import { norm, randomScores } from "../importance.ts";
import { smallest } from "../select.ts";
import { checkAmount, unitsToPrune } from "./amount.ts";
import type { Amount } from "./amount.ts";
import { PruningMethod, axisOf, channelOf, checkShape } from "./method.ts";
import type { PruningType, Values } from "./method.ts";

/** Prunes nothing, but reparametrizes. */
export class Identity extends PruningMethod {
  override readonly type: PruningType = "unstructured";

  override computeMask(_scores: Values, mask: Uint8Array): Uint8Array {
    return mask;
  }
}

/** A fixed mask, whatever the scores. */
export class CustomFromMask extends PruningMethod {
  override readonly type: PruningType = "global";
  readonly mask: Uint8Array;
  readonly #shape: Shape;

  /** @param mask 1, or anything but 0, for each entry that stays */
  constructor(mask: { readonly shape: Shape; readonly data: ArrayLike<number> }) {
    super();
    this.mask = Uint8Array.from(mask.data, (kept) => (kept === 0 ? 0 : 1));
    this.#shape = mask.shape;
  }

  override computeMask({ shape }: Values): Uint8Array {
    checkShape("mask", this.#shape, shape);
    return this.mask;
  }
}

abstract class ByAmount extends PruningMethod {
  readonly amount: Amount;

  constructor(amount: Amount) {
    super();
    checkAmount(amount);
    this.amount = amount;
  }
}

/** Single entries with the smallest score go. */
abstract class Unstructured extends ByAmount {
  override readonly type: PruningType = "unstructured";

  protected abstract scoresOf(values: Values): Float64Array;

  override computeMask(scores: Values): Uint8Array {
    const gone = smallest(this.scoresOf(scores), unitsToPrune(this.amount, scores.data.length));
    return gone.map((one) => 1 - one);
  }
}

/** By magnitude. */
export class L1Unstructured extends Unstructured {
  protected override scoresOf({ data }: Values): Float64Array {
    return Float64Array.from(data, Math.abs);
  }
}

export class RandomUnstructured extends Unstructured {
  readonly seed: number;

  constructor(amount: Amount, seed = 1) {
    super(amount);
    this.seed = seed;
  }

  protected override scoresOf({ data }: Values): Float64Array {
    return randomScores(data.length, this.seed);
  }
}

/** Whole channels along `dim` with the smallest score go. */
abstract class Structured extends ByAmount {
  override readonly type: PruningType = "structured";
  override readonly dim: number;

  constructor(amount: Amount, dim: number) {
    super(amount);
    this.dim = dim;
  }

  /** @param channel of a position */
  protected abstract scoresOf(values: Values, channels: number, channel: (position: number) => number): Float64Array;

  override computeMask(scores: Values): Uint8Array {
    const { shape } = scores;
    if (shape.length < 2) {
      throw new ShapeError(
        `pruning: structured pruning needs 2 dimensions or more, got ${formatShape(shape)}. Use an unstructured method for a bias`,
      );
    }
    const axis = axisOf(this.dim, shape);
    const channel = channelOf(shape, axis);
    const channels = shape[axis]!;
    const gone = smallest(this.scoresOf(scores, channels, channel), unitsToPrune(this.amount, channels));
    return Uint8Array.from(scores.data, (_, i) => 1 - gone[channel(i)]!);
  }
}

export class RandomStructured extends Structured {
  readonly seed: number;

  constructor(amount: Amount, dim: number, seed = 1) {
    super(amount, dim);
    this.seed = seed;
  }

  protected override scoresOf(_values: Values, channels: number): Float64Array {
    return randomScores(channels, this.seed);
  }
}

/** By a channel's norm over all other axes. */
export class LnStructured extends Structured {
  readonly n: number | "fro";

  /** @param n 1, 2, another number above 0, Infinity, -Infinity, or "fro" (the same as 2 here) */
  constructor(amount: Amount, n: number | "fro", dim: number) {
    super(amount, dim);
    if (n !== "fro" && n !== -Infinity && !(n > 0))
      throw new UsageError(`pruning: n: got ${n}, expected a number above 0, Infinity, -Infinity or "fro"`);
    this.n = n;
  }

  protected override scoresOf({ data }: Values, channels: number, channel: (position: number) => number): Float64Array {
    const members = Array.from({ length: channels }, (): number[] => []);
    data.forEach((value, i) => members[channel(i)]!.push(value));
    return Float64Array.from(members, (values) => norm(values, this.n));
  }
}
