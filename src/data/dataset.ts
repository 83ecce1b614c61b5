/** What the harness needs of a labelled set of samples. Built-in sets are written to the cache in the same two files that users bring. */
import type { DType, TypedArray } from "../graph/dtype.ts";

export interface Dataset {
  readonly name: string;
  readonly task: "classification";
  /** One sample, as the model file's first input takes it without its batch dimension. */
  readonly input: { readonly dtype: DType; readonly shape: readonly number[] };
  readonly classes: number;
  readonly count: number;
  readonly labels: readonly number[];
  /** Sample i, decoded to `input.dtype`; a fresh array or a view, not to be written. @throws RangeError outside 0..count-1 */
  sample(index: number): TypedArray;
}
