/** result.json itself; several results as a list. */
import type { Exporter } from "./exporter.ts";

export const jsonExporter: Exporter = {
  name: "json",
  results: (results) => `${JSON.stringify(results.length === 1 ? results[0] : results, null, 1)}\n`,
  comparison: (comparison) => `${JSON.stringify(comparison, null, 1)}\n`,
};
