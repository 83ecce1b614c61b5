/** What `bench serve` and the page that it serves say to each other: the offer, and a prepared model as bytes of `wire.ts`. */
import type { Recipe } from "../compress/recipe.ts";
import type { Compute, Size, Tool } from "../results/schema.ts";
import type { StepReport } from "../compress/apply.ts";
import type { Inputs } from "./prepare.ts";

/** JSON at `offer`. */
export interface Offer {
  readonly tool: Tool;
  readonly seed: number;
  readonly models: readonly { readonly name: string; readonly recipes: readonly string[] }[];
  readonly targets: readonly string[];
}

/** At `pair?model=…&recipe=…`. */
export interface ServedPair {
  readonly recipe: Recipe;
  /** Name of the serialized graph among the server's files. */
  readonly graph: string;
  readonly size: Size;
  readonly compute: Compute;
  readonly steps: readonly StepReport[];
  readonly inputs: readonly Inputs[];
}
