/** Decision trees from a dataset by name: its training half as columns, some of it held out, and the graph that predicts. */
import { makeColumns } from "../compress/trees/columns.ts";
import { growForest, type ForestSettings } from "../compress/trees/forest.ts";
import { isHeldOut } from "../compress/trees/holdout.ts";
import { readDataset, resolveDataset } from "../data/index.ts";
import { FormatError, UsageError } from "../errors.ts";
import { treeGraph } from "../formats/tree/graph.ts";
import { elementCount } from "../graph/dtype.ts";
import type { Graph } from "../graph/ir.ts";
import type { Trees } from "../graph/tree.ts";
import { validateGraph } from "../graph/validate.ts";

export interface Grown {
  readonly graph: Graph;
  readonly trees: Trees;
  /** That they grew from. */
  readonly samples: number;
  readonly heldOut: number;
}

/**
 * @param dataset a name or a header
 * @param holdout share of the training samples that stay unseen; 0: none
 * @throws FormatError, UsageError
 */
export async function growFrom(
  dataset: string,
  settings: ForestSettings,
  holdout: number,
  onTree?: (done: number) => void,
): Promise<Grown> {
  const train = readDataset(await resolveDataset(dataset, "train"));
  const { name, input, count, classes, labels } = train;
  if (input.dtype !== "float32") {
    throw new FormatError(
      `dataset ${name}: samples are ${input.dtype}, expected float32 for decision trees`,
      'Declare "dtype": "float32", with input.stored for bytes',
    );
  }
  const held = holdout === 0 ? undefined : { fraction: holdout, seed: settings.seed };
  const indices = Int32Array.from({ length: count }, (_, i) => i).filter((i) => held === undefined || !isHeldOut(i, held));
  if (indices.length === 0) throw new UsageError(`--holdout ${holdout}: leaves none of ${count} samples. Hold out fewer`);
  const regression = settings.criterion === "mse";
  const columns = columnsOf(indices, elementCount(input.shape), (i) => train.sample(i), name);
  const own = Array.from(indices, (i) => labels[i] ?? 0);
  const trees = growForest(columns, own, regression ? 0 : classes, settings, onTree);
  const attrs = { aggregate: "average", task: regression ? "regression" : "classification", ...(held && { holdout: held }) } as const;
  const graph = treeGraph(`${name}-${settings.trees > 1 ? "forest" : "tree"}`, input.shape, trees, attrs);
  validateGraph(graph);
  return { graph, trees, samples: indices.length, heldOut: count - indices.length };
}

function columnsOf(
  indices: Int32Array,
  features: number,
  sample: (i: number) => ArrayLike<number>,
  name: string,
): ReturnType<typeof makeColumns> {
  try {
    return makeColumns(indices.length, features, (i) => sample(indices[i] ?? 0));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new FormatError(`dataset ${name}: ${error.message}`, "Decision trees grow from finite numbers");
  }
}
