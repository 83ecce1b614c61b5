/**
 * Recorded samples as they accompany MLPerf Tiny models: `X.json` with `shape` [count, ...], `dtype`, `labels`, `classes`, beside
 * `X.DTYPE.bin`. Turned into an ordinary dataset header, so that everything else knows one form only.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { z } from "zod";

const sampleFileSchema = z.object({
  shape: z.array(z.number().int().positive()).min(2),
  dtype: z.string(),
  labels: z.array(z.number()),
  classes: z.number(),
});

/**
 * @param path JSON file, of either form
 * @param folder where a converted header goes
 * @returns path of a dataset header: `path` itself unless it was of the recorded form
 */
export function asDatasetHeader(path: string, folder: string): string {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    // Whatever is wrong with it, the dataset reader says it better.
    return path;
  }
  const parsed = sampleFileSchema.safeParse(json);
  if (!parsed.success) return path;
  const { shape, dtype, labels, classes } = parsed.data;
  const stem = path.replace(/\.json$/i, "");
  const header = {
    name: basename(stem),
    task: "classification",
    input: { dtype, shape: shape.slice(1) },
    data: resolve(`${stem}.${dtype}.bin`),
    labels,
    classes,
  };
  const converted = join(folder, basename(path));
  writeFileSync(converted, JSON.stringify(header));
  return converted;
}
