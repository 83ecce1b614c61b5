/** Calls of kernels that go over one run of elements. */
import type { KernelCall } from "../program.ts";
import { splitRun } from "./split.ts";
import type { Range } from "./split.ts";

/** A kernel from `count` elements at `from` to as many at `to`: arguments [from, to, count, ...rest]. */
export function mapCall(
  kernel: string,
  [from, fromBytes]: readonly [number, number],
  [to, toBytes]: readonly [number, number],
  count: number,
  rate: number,
  rest: readonly number[],
): KernelCall {
  const args = (part: Range): readonly number[] => [from + part.from * fromBytes, to + part.from * toBytes, part.to - part.from, ...rest];
  return { kernel, args: args({ from: 0, to: count }), split: splitRun(count, count / rate, args) };
}
