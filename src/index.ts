/**
 * The library, for programs: models in, compressed models out, and the parts of pruning that training needs. What stands here is public and stays;
 * everything else may change. The command `bench` is in src/cli.
 */
export { parseRecipe, readRecipeFile } from "./compress/recipe.ts";
export type { Recipe, Step } from "./compress/recipe.ts";
export { applyRecipe } from "./compress/apply.ts";
export type { Compressed, StepReport } from "./compress/apply.ts";
export type { CompressContext, Observer, SkippedLayer, SparseGain, Stage, StageStore } from "./compress/steps.ts";

export { PrunableModel, PRUNING_STATE_SCHEMA } from "./compress/prune/masks/model.ts";
export type { PruningState, SavedParameter } from "./compress/prune/masks/model.ts";
export { Parameter, PrunableModule } from "./compress/prune/masks/module.ts";
export { PruningMethod } from "./compress/prune/masks/method.ts";
export type { PruningType, Values } from "./compress/prune/masks/method.ts";
export type { Amount } from "./compress/prune/masks/amount.ts";
export {
  CustomFromMask,
  Identity,
  L1Unstructured,
  LnStructured,
  RandomStructured,
  RandomUnstructured,
} from "./compress/prune/masks/methods.ts";
export {
  applyMethod,
  customFromMask,
  globalUnstructured,
  identity,
  isPruned,
  l1Unstructured,
  lnStructured,
  randomStructured,
  randomUnstructured,
  remove,
} from "./compress/prune/masks/functions.ts";
export type { GlobalTarget } from "./compress/prune/masks/functions.ts";
export { constantSchedule, polynomialSchedule } from "./compress/prune/schedule.ts";
export type { Schedule, Scheduled } from "./compress/prune/schedule.ts";

export { fakeQuantGradient, fakeQuantGrid, fakeQuantize } from "./compress/quantize/fake-quant.ts";
export type { FakeQuantGrid } from "./compress/quantize/fake-quant.ts";
export { Histogram, extentOf } from "./compress/quantize/histogram.ts";
export { entropyRange, mseRange, percentileRange, rangeFor } from "./compress/quantize/calibrators.ts";
export type { Calibrator, TensorStatistics } from "./compress/quantize/calibrators.ts";
export type { CalibrationTable } from "./compress/quantize/table.ts";
export { fixedPoint, multiplyDoubleRounding, multiplySingleRounding } from "./graph/fixed-point.ts";
export type { FixedPoint } from "./graph/fixed-point.ts";

export { openModel } from "./harness/model.ts";
export { exportOnnx } from "./formats/onnx/export.ts";
export type { OnnxExportOptions, OnnxForm } from "./formats/onnx/export.ts";
export { exportSlim } from "./formats/slim/export.ts";
export { SlimReader, readSlim } from "./formats/slim/import.ts";
export { StageFolder } from "./harness/stages.ts";
export { observeGraph } from "./engines/cpu/observe.ts";
export type { Constant, Graph, Node, Tensor } from "./graph/ir.ts";
export { SlimbenchError } from "./errors.ts";
