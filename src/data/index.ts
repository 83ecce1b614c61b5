/** Datasets by name or by path. */
import { dirname, resolve } from "node:path";
import { readHeader } from "./files.ts";
import { mnist } from "./mnist.ts";
import { textlines } from "./textlines/index.ts";

export type { Dataset } from "./dataset.ts";
export { readDataset } from "./files.ts";

export type Split = "test" | "train";

const BUILT_IN: Readonly<Record<string, (split: Split) => Promise<string>>> = { mnist, textlines };

export const BUILT_IN_DATASETS: readonly string[] = Object.keys(BUILT_IN);

/**
 * Path of a header that readDataset takes. A built-in set is written to the cache on first use.
 * @param spec built-in name, or path of a header
 * @param split for a header of the user's, `train` is what its `calibration` names; one without serves both ends (say so in a report:
 *   calibrated on the test set)
 * @throws FormatError for a header that is missing or wrong, UnavailableError where a built-in set can't be made
 */
export async function resolveDataset(spec: string, split: Split): Promise<string> {
  const builtIn = Object.hasOwn(BUILT_IN, spec) ? BUILT_IN[spec] : undefined;
  if (builtIn !== undefined) return builtIn(split);
  const { calibration } = readHeader(spec);
  return split === "train" && calibration !== undefined ? resolve(dirname(spec), calibration) : resolve(spec);
}
