/** `bench grow DATASET -o tree.json`: a decision tree or a forest from the training half of a dataset. */
import { Command, InvalidArgumentError, Option } from "commander";
import { CRITERIA, type CriterionName } from "../compress/trees/criteria.ts";
import type { ForestSettings } from "../compress/trees/forest.ts";
import { UsageError } from "../errors.ts";
import { treeShape } from "../graph/tree.ts";
import { writeFileAtomic } from "../results/store.ts";
import { positiveNumber, wholeNumber } from "./options.ts";

interface GrowOptions {
  readonly out: string;
  readonly criterion: CriterionName;
  readonly trees: number;
  readonly seed: number;
  readonly maxDepth?: number;
  readonly maxLeaves?: number;
  readonly minSamplesSplit?: number;
  readonly minSamplesLeaf?: number;
  readonly minImpurityDecrease?: number;
  readonly maxFeatures?: number;
  readonly holdout?: number;
}

export function growCommand(): Command {
  return new Command("grow")
    .description("grow a decision tree (CART) or a forest from a dataset's training half")
    .argument("<dataset>", "mnist, textlines, or a header .json; float32 samples of any shape")
    .requiredOption("-o, --out <file>", "what to write: .json keeps what pruning needs, .onnx only what predicts")
    .addOption(new Option("--criterion <name>", "what splits lower; mse regresses on the label's number").choices(CRITERIA).default("gini"))
    .option("--trees <n>", "above 1: a forest, each tree from a bootstrap of the samples", positiveNumber, 1)
    .option("--max-depth <n>", "comparisons on the way to a leaf", wholeNumber)
    .option("--max-leaves <n>", "leaves of a tree; the splits that gain most come first", positiveNumber)
    .option("--min-samples-split <n>", "samples of a node that is split (default: 2)", positiveNumber)
    .option("--min-samples-leaf <n>", "samples of a leaf (default: 1)", positiveNumber)
    .option("--min-impurity-decrease <x>", "what a split must gain, weighted by its share of the samples (default: 0)", share)
    .option("--max-features <n>", "features tried at a node (default: all; in a forest of classes their root)", positiveNumber)
    .option("--holdout <x>", "share of the training samples to keep for ccp:auto and rep, e.g. 0.2", share)
    .option("--seed <n>", "of bootstraps, features and held-out samples", wholeNumber, 1)
    .action(grow);
}

function share(text: string): number {
  const n = Number(text);
  if (text.trim() === "" || !(n >= 0 && n < 1)) throw new InvalidArgumentError(`got "${text}", expected a number from 0 and below 1.`);
  return n;
}

async function grow(word: string, options: GrowOptions): Promise<void> {
  if (!/\.(onnx|json)$/.test(options.out)) throw new UsageError(`--out ${options.out}: expected a name that ends in .json or .onnx`);
  const [{ growFrom }, { exportTrees }, { exportOnnx }] = await Promise.all([
    import("../harness/grow.ts"),
    import("../formats/tree/write.ts"),
    import("../formats/onnx/export.ts"),
  ]);
  const { out, holdout, ...settings } = options;
  const started = performance.now();
  const many = settings.trees > 1 && process.stderr.isTTY;
  const { graph, trees, samples, heldOut } = await growFrom(word, settings satisfies ForestSettings, holdout ?? 0, (done) => {
    if (many) process.stderr.write(`\r${done} of ${settings.trees} trees${done === settings.trees ? "\n" : ""}`);
  });
  const bytes = out.endsWith(".json") ? exportTrees(graph) : exportOnnx(graph);
  writeFileAtomic(out, bytes, "--out");
  const shape = treeShape(trees);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `${shape.trees} ${shape.trees === 1 ? "tree" : "trees"}, ${shape.nodes} nodes, ${shape.leaves} leaves, depth ${shape.depth}, ` +
      `from ${samples} samples${heldOut > 0 ? ` (${heldOut} held out)` : ""} in ${seconds} s → ${out}, ${bytes.length} bytes`,
  );
}
