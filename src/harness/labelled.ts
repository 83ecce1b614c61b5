/** A dataset's training samples with their labels, for recipe steps that prune decision trees. */
import type { LabelledSamples } from "../compress/steps.ts";
import { ShapeError } from "../errors.ts";
import { elementCount } from "../graph/dtype.ts";

/** @param headerPath of the training half @throws FormatError, ShapeError for samples that are not float32 */
export function openLabelled(headerPath: string): () => Promise<LabelledSamples> {
  let opened: Promise<LabelledSamples> | undefined;
  return () => (opened ??= open(headerPath));
}

async function open(headerPath: string): Promise<LabelledSamples> {
  const { readDataset } = await import("../data/index.ts");
  const train = readDataset(headerPath);
  const { name, input, count, classes, labels } = train;
  if (input.dtype !== "float32") {
    throw new ShapeError(
      `dataset ${name}: samples are ${input.dtype}, but decision trees take float32`,
      'Declare "dtype": "float32", with input.stored for bytes',
    );
  }
  return { count, classes, elements: elementCount(input.shape), label: (i) => labels[i] ?? 0, sample: (i) => train.sample(i) };
}
