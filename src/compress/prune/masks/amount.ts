/** How much to prune, as torch.nn.utils.prune takes it: a count of units or a share of them. */
import { UsageError } from "../../../errors.ts";
import { pruneCount } from "../select.ts";

/**
 * A whole number is a count, a number between 0 and 1 a share. JavaScript cannot tell 1 from 1.0: 1 is one unit, `{ fraction: 1 }` is everything.
 */
export type Amount = number | { readonly fraction: number };

/**
 * @param size units that can be pruned
 * @returns a share of them rounded half to even
 * @throws UsageError for what is neither, and for a count above `size`
 */
export function unitsToPrune(amount: Amount, size: number): number {
  checkAmount(amount);
  const fraction = typeof amount === "number" ? (Number.isInteger(amount) ? undefined : amount) : amount.fraction;
  if (fraction !== undefined) return pruneCount(fraction, size);
  const count = amount as number;
  if (count > size) throw new UsageError(`pruning: amount: got ${count} units, expected at most ${size}, all that are left`);
  return count;
}

/** What is wrong with an amount whatever it is applied to. @throws UsageError */
export function checkAmount(amount: Amount): void {
  const given: unknown = amount;
  const isObject = typeof given === "object" && given !== null && "fraction" in given;
  const value = isObject ? given.fraction : given;
  const rule = "expected a count of units (0, 1, 2, …), a fraction between 0 and 1, or { fraction: 1 } for all";
  if (typeof value !== "number" || Number.isNaN(value)) throw new UsageError(`pruning: amount: got ${String(value)}, ${rule}`);
  if (value < 0 || (value > 1 && (isObject || !Number.isInteger(value)))) throw new UsageError(`pruning: amount: got ${value}, ${rule}`);
}
