/**
 * `int8` and `int16x8`: static full-integer quantization by TFLite's specifications. Calibrates ranges, puts every activation on a grid,
 * and rewrites the graph so that its ops take and give int8, or int16: Quantize at float inputs, Dequantize at float outputs, and both
 * around the ops that have no integer form, which stay float and are listed in the step's report.
 */
import { addParams } from "../../graph/numerics.ts";
import { UnsupportedError, UsageError, invariant } from "../../errors.ts";
import { isConstant, tensorOf } from "../../graph/access.ts";
import { isFloat } from "../../graph/dtype.ts";
import type { Graph, Node, Quantization } from "../../graph/ir.ts";
import { isWeighted } from "../layers.ts";
import { leftOutNode } from "../recipe-int8-forms.ts";
import { stepText } from "../recipe.ts";
import type { Int8Step, Int16Step } from "../recipe.ts";
import type { CalibrationOptions } from "../recipe-calibrate.ts";
import type { FormFilter } from "../recipe-int8-forms.ts";
import type { CompressContext, SkippedLayer, StepResult } from "../steps.ts";
import { activationRanges } from "./activations.ts";
import { correctBiases } from "./bias.ts";
import { equalizeLayers } from "./equalize.ts";
import { activationInputs, followsInput, reasonForFloat } from "./forms.ts";
import { chooseGrids } from "./grid.ts";
import { resolveOverrides } from "./overrides.ts";
import { INT8_FORM, INT16_FORM } from "./params.ts";
import type { ActivationForm, Range } from "./params.ts";
import { rewriteInteger } from "./rewrite.ts";
import { smoothActivations } from "./smooth.ts";
import { splitHardswish } from "./split.ts";
import { unsignedActivations } from "./unsigned.ts";
import { weightLimits } from "./weights.ts";

/** @throws UnsupportedError for a model that is quantized already, UsageError without calibration samples or integer ops */
export async function quantizeIntegers(original: Graph, step: Int8Step | Int16Step, context: CompressContext): Promise<StepResult> {
  const form = step.kind === "int8" ? INT8_FORM : INT16_FORM;
  const rule = (step.kind === "int8" ? step.ranges : undefined) ?? "ort";
  const text = stepText(step);
  for (const tensor of original.tensors.values()) {
    if (tensor.quant === undefined) continue;
    throw new UnsupportedError(
      `recipe step ${text}: model "${original.name}" is quantized already: tensor "${tensor.name}" is ${tensor.dtype}. Use fp32, which runs it as it is`,
    );
  }
  const split = splitHardswish(original);
  const { integer, skipped } = partition(split, step, form);
  // Before calibration, which takes longer.
  if (step.strict === "yes") requireInteger(skipped, split.name, text);
  if (integer.size === 0) throw new UsageError(`recipe step ${text}: no op of "${split.name}" has an integer form. Use another recipe`);

  const { graph, notes: moves } = await moveMagnitudes(split, integer, step, context, text);
  const { ranges, notes: outliers } = await activationRanges(graph, step, context, text, form.levels);
  const overrides = resolveOverrides(graph, ranges.keys(), step.overrides ?? [], text);
  const all = new Map([...ranges, ...constantRanges(graph, integer)]);
  const grids = settleGrids(integer, skipped, () => chooseGrids(graph, all, integer, rule, overrides, text, form));
  if (step.strict === "yes") requireInteger(skipped, graph.name, text);
  const weighted = graph.nodes.filter((node) => integer.has(node) && isWeighted(node));
  const limitOf = weightLimits(
    step.kind === "int8" ? step : {},
    weighted.map(({ name }) => name),
  );
  const ready = step.bias === "correct" ? await correctBiases(graph, integer, grids, context, text, form, limitOf) : { graph, integer };
  const { graph: rewritten, promises, notes } = rewriteInteger(ready.graph, ready.integer, grids, text, limitOf, form);
  return {
    graph: step.kind === "int8" && step.activations === "uint8" ? unsignedActivations(rewritten) : rewritten,
    layers: [...integer].map((node) => node.name),
    skipped,
    promises,
    notes: [...moves, ...outliers, ...notes],
  };
}

/** @throws UnsupportedError naming everything that would stay float */
function requireInteger(skipped: readonly SkippedLayer[], model: string, step: string): void {
  if (skipped.length === 0) return;
  const layers = skipped.map(({ layer, op, why }) => `${layer} (${op}): ${why}`);
  throw new UnsupportedError(
    `recipe step ${step}: model "${model}" cannot run on integers alone, ${skipped.length} of its layers would stay float: ${layers.join("; ")}. Leave out strict=yes`,
    "Leave out strict=yes",
  );
}

/** The same float function with weights and activations that grids suit better, where the recipe asks for that. Nodes stay the same. */
async function moveMagnitudes(
  graph: Graph,
  integer: ReadonlySet<Node>,
  { equalize, smooth }: CalibrationOptions,
  context: CompressContext,
  text: string,
): Promise<{ readonly graph: Graph; readonly notes: readonly string[] }> {
  const notes: string[] = [];
  const say = (option: string, seams: number): void => {
    if (seams === 0) notes.push(`${option} changed nothing: no layer reads what one before it could absorb a factor of`);
  };
  let moved = { graph, seams: 0 };
  if (equalize !== undefined) {
    moved = equalizeLayers(moved.graph, integer);
    say(`equalize=${equalize}`, moved.seams);
  }
  if (smooth !== undefined) {
    moved = await smoothActivations(moved.graph, integer, smooth, context, text);
    say(`smooth=${smooth}`, moved.seams);
  }
  return { graph: moved.graph, notes };
}

/** Nodes that run on integers, and why the others do not. */
function partition(
  graph: Graph,
  step: FormFilter,
  form: ActivationForm,
): { readonly integer: Set<Node>; readonly skipped: SkippedLayer[] } {
  const integer = new Set<Node>();
  const skipped: SkippedLayer[] = [];
  const onGrid = new Set(graph.inputs.filter((name) => tensorOf(graph, name).dtype === "float32"));
  for (const node of graph.nodes) {
    const why = leftOutNode(node, step) ?? reasonForFloat(graph, node, form);
    if (why !== undefined) {
      // Index arithmetic and the like was never float: nothing to report.
      if (isFloat(tensorOf(graph, node.outputs[0]!).dtype)) skipped.push({ layer: node.name, op: node.op, why });
      continue;
    }
    if (followsInput(node) && !activationInputs(node).some((i) => onGrid.has(node.inputs[i]!))) {
      skipped.push({ layer: node.name, op: node.op, why: "moves values that are float" });
      continue;
    }
    integer.add(node);
    onGrid.add(node.outputs[0]!);
  }
  return { integer, skipped };
}

/** Constants that integer nodes take as activations, e.g. the addend of a Binary. */
function constantRanges(graph: Graph, integer: ReadonlySet<Node>): ReadonlyMap<string, Range> {
  const ranges = new Map<string, Range>();
  for (const node of integer) {
    for (const i of activationInputs(node)) {
      const tensor = tensorOf(graph, node.inputs[i]!);
      if (!isConstant(tensor)) continue;
      let [min, max] = [Infinity, -Infinity];
      for (const x of tensor.data) [min, max] = [Math.min(min, x), Math.max(max, x)];
      ranges.set(tensor.name, { min, max });
    }
  }
  return ranges;
}

/** Grids, with the additions whose scales lie too far apart for 20-bit multipliers sent back to float (which moves other grids). */
function settleGrids(
  integer: Set<Node>,
  skipped: SkippedLayer[],
  choose: () => ReadonlyMap<string, Quantization>,
): ReadonlyMap<string, Quantization> {
  for (;;) {
    const grids = choose();
    const gridOf = (name: string): Quantization => {
      const quant = grids.get(name);
      invariant(quant !== undefined, `tensor "${name}" was not calibrated`);
      return quant;
    };
    const misfit = [...integer].find(
      (node) =>
        node.op === "Binary" &&
        node.attrs.fn !== "mul" &&
        addParams(gridOf(node.inputs[0]!), gridOf(node.inputs[1]!), gridOf(node.outputs[0]!), 1) === undefined,
    );
    if (misfit === undefined) return grids;
    integer.delete(misfit);
    skipped.push({ layer: misfit.name, op: misfit.op, why: "its scales lie too far apart for integer addition" });
  }
}
