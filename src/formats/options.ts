/** What every importer takes. */
import type { DType, TypedArray } from "../graph/dtype.ts";
import type { ConstantEvaluator, Shape } from "../graph/ir.ts";

export interface ImportOptions {
  /** File name: for messages and as the graph's name. */
  readonly name: string;
  /** Dynamic dimensions bound at load: input name → full shape (`--shape name=1,3,48,192`). */
  readonly shapes?: ReadonlyMap<string, Shape>;
  /** Graph inputs to treat as constants (shape inputs of ONNX operator tests). */
  readonly constants?: ReadonlyMap<string, { readonly dtype: DType; readonly shape: Shape; readonly data: TypedArray }>;
  /** Folds shape arithmetic while importing. */
  readonly evaluate: ConstantEvaluator;
}
