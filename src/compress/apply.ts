/** Runs a recipe: each step Graph → Graph, validated, with the promises of all steps so far checked again. */
import { cluster } from "./cluster/cluster.ts";
import { layersOf } from "./layers.ts";
import { roundToFloat16 } from "./lowbit/float16.ts";
import { quantizeInt4 } from "./lowbit/int4.ts";
import { checkPromises, followCut } from "./promises.ts";
import { pruneChannels } from "./prune/channels/prune.ts";
import { prune } from "./prune/prune.ts";
import { pruneWhereFaster } from "./prune/where.ts";
import { quantizeIntegers } from "./quantize/int8.ts";
import { setRounding } from "./quantize/requantize.ts";
import { quantizeDynamic } from "./quantize/int8-dynamic.ts";
import { quantizeWeights } from "./quantize/int8-weights.ts";
import { pruneTrees } from "./trees/prune.ts";
import { stepText } from "./recipe.ts";
import type { Recipe, Step } from "./recipe.ts";
import { suggestion } from "./names.ts";
import { matchesAny } from "./patterns.ts";
import type { CompressContext, Stage, StageStore, StepReport, StepResult } from "./steps.ts";
import { UsageError } from "../errors.ts";
import { validateGraph } from "../graph/validate.ts";
import type { Graph } from "../graph/ir.ts";

export type { StepReport } from "./steps.ts";

export interface Compressed {
  readonly graph: Graph;
  readonly steps: readonly StepReport[];
}

/** @throws SlimbenchError: what the steps throw, and `promise-broken` when a step undoes an earlier one */
export function applyRecipe(graph: Graph, recipe: Recipe, context: CompressContext): Promise<Compressed> {
  return runSteps(
    graph,
    recipe.steps.map((step) => ({ text: stepText(step), run: (g) => runNamed(g, step, context) })),
    context.stages,
  );
}

/** A step as text and function. */
export interface RunnableStep {
  readonly text: string;
  readonly run: (graph: Graph) => StepResult | Promise<StepResult>;
}

/** @param stages where what the steps reach is kept, and taken up again */
export async function runSteps(original: Graph, steps: readonly RunnableStep[], stages?: StageStore): Promise<Compressed> {
  const texts = steps.map(({ text }) => text);
  let reached: Stage = { graph: original, steps: [], promises: [] };
  for (let count = steps.length; count > 0 && reached.steps.length === 0; count--) {
    reached = stages?.find(texts.slice(0, count)) ?? reached;
  }
  for (const { text, run } of steps.slice(reached.steps.length)) {
    const result = await run(reached.graph);
    const { graph, layers, skipped, notes = [] } = result;
    validateGraph(graph);
    const promises = [...followCut(reached.promises, result.survivors), ...result.promises];
    checkPromises(graph, promises, text);
    const report: StepReport = { step: text, layers, skipped, ...(notes.length > 0 && { notes }) };
    reached = { graph, steps: [...reached.steps, report], promises };
    stages?.keep(texts.slice(0, reached.steps.length), reached);
  }
  return { graph: reached.graph, steps: reached.steps };
}

/** @throws UsageError where a name in `only` is that of no layer: the step would silently do less than was asked */
function checkNames(graph: Graph, step: Step): void {
  if (step.kind === "fp32") return;
  const names = graph.nodes.map(({ name }) => name);
  const stray = step.only?.find((pattern) => !names.some((name) => matchesAny(name, [pattern])));
  if (stray === undefined) return;
  const layers = layersOf(graph).map(({ node }) => node.name);
  throw new UsageError(
    `recipe step ${stepText(step)}: only: no layer of "${graph.name}" is named "${stray}". ${suggestion(stray, layers)}`,
  );
}

/** Also says which patterns in `include` and `exclude` name no layer: a recipe may be for several models, so that is no error. */
async function runNamed(graph: Graph, step: Step, context: CompressContext): Promise<StepResult> {
  const result = await runStep(graph, step, context);
  if (step.kind === "fp32") return result;
  const filters = { include: "include" in step ? step.include : undefined, exclude: step.exclude };
  const strays = Object.entries(filters).flatMap(([option, patterns = []]) =>
    patterns
      .filter((pattern) => !graph.nodes.some(({ name }) => matchesAny(name, [pattern])))
      .map((pattern) => `${option}: no layer of "${graph.name}" is named "${pattern}"`),
  );
  return strays.length === 0 ? result : { ...result, notes: [...(result.notes ?? []), ...strays] };
}

function runStep(graph: Graph, step: Step, context: CompressContext): StepResult | Promise<StepResult> {
  checkNames(graph, step);
  switch (step.kind) {
    case "fp32":
      return { graph, layers: [], skipped: [], promises: [] };
    case "prune":
      return step.where === "faster" ? pruneWhereFaster(graph, step, context.sparseGain) : prune(graph, step);
    case "channels":
      return pruneChannels(graph, step);
    case "int8":
    case "int16x8":
      return quantizeIntegers(graph, step, context);
    case "int8dynamic":
      return quantizeDynamic(graph, step);
    case "int8weights":
      return quantizeWeights(graph, step);
    case "cluster":
      return cluster(graph, step);
    case "fp16":
      return roundToFloat16(graph, step);
    case "int4":
      return quantizeInt4(graph, step);
    case "requantize":
      return setRounding(graph, step);
    case "trees":
      return pruneTrees(graph, step, context);
  }
}
