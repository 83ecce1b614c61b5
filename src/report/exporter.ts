/** What a report format is. To add one: a file with an `Exporter`, and a line in `index.ts`. */
import type { Comparison } from "../results/compare.ts";
import type { Result } from "../results/schema.ts";

export interface RenderOptions {
  /** Columns of the terminal. */
  readonly width: number;
  /** ANSI colours; only for a terminal that is one. */
  readonly colour: boolean;
}

export interface Exporter {
  /** What `--format` takes. */
  readonly name: string;
  /** One or several results, oldest first as named; ends with a line break. */
  results(results: readonly Result[], options: RenderOptions): string;
  /** The verdicts of `bench compare`. */
  comparison(comparison: Comparison, options: RenderOptions): string;
}
