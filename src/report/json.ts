/** result.json itself; several results as a list. */
import { resultText } from "../results/text.ts";
import type { Exporter } from "./exporter.ts";

export const jsonExporter: Exporter = {
  name: "json",
  results: (results) => resultText(results.length === 1 ? results[0] : results),
  comparison: (comparison) => resultText(comparison),
};
