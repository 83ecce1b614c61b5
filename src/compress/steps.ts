/** What one recipe step gives back, and what it may ask of its caller. Compression never imports an engine: it is injected. */
import type { TypedArray } from "../graph/dtype.ts";
import type { Graph } from "../graph/ir.ts";
import type { Promised } from "./promises.ts";
import type { CalibrationTable } from "./quantize/table.ts";

/** Runs a graph and shows its inputs and every tensor that a node writes, after the fused activation. */
export interface Observer {
  run(
    inputs: readonly TypedArray[],
    visit: (tensorName: string, data: TypedArray) => void,
  ): readonly TypedArray[] | Promise<readonly TypedArray[]>;
}

/** Whether an engine executes a node with zeros in its weights faster than it would without them, and a clause that says why. */
export type SparseGain = (graph: Graph, node: string) => Promise<{ readonly faster: boolean; readonly why: string }>;

export interface CompressContext {
  /**
   * Opens the calibration samples, each the graph's inputs in order. Called once for each step that needs them; such a step fails
   * without it. Use training data, never the samples that accuracy is measured on.
   */
  readonly calibration?: () => Iterable<readonly TypedArray[]> | AsyncIterable<readonly TypedArray[]>;
  readonly observe?: (graph: Graph) => Observer;
  /** Gets what calibration found, for later runs of the same recipe on the same model. */
  readonly onCalibration?: (table: CalibrationTable) => void;
  /** Opens the training samples with their labels, for steps that prune decision trees; such a step may fail without it. */
  readonly labelled?: () => LabelledSamples | Promise<LabelledSamples>;
  /** For pruning that asks where it pays; such a step fails without it. */
  readonly sparseGain?: SparseGain;
  /** Absent: every step runs. */
  readonly stages?: StageStore;
}

/** What a recipe has reached behind some of its steps. */
export interface Stage {
  readonly graph: Graph;
  readonly steps: readonly StepReport[];
  readonly promises: readonly Promised[];
}

/** Keeps stages for later runs on the same model with the same samples. Steps are named by their canonical texts, from the first on. */
export interface StageStore {
  find(steps: readonly string[]): Stage | undefined;
  keep(steps: readonly string[], stage: Stage): void;
}

/** What a step did, as it goes into a record. */
export interface StepReport {
  /** Canonical text. */
  readonly step: string;
  /** Names of the nodes that it changed. */
  readonly layers: readonly string[];
  readonly skipped: readonly SkippedLayer[];
  /** What the user should know: one sentence each. */
  readonly notes?: readonly string[];
}

/** Labelled samples, in the order of the dataset. */
export interface LabelledSamples {
  readonly count: number;
  readonly classes: number;
  /** Values of a sample. */
  readonly elements: number;
  label(index: number): number;
  sample(index: number): TypedArray;
}

export interface SkippedLayer {
  readonly layer: string;
  readonly op: string;
  readonly why: string;
}

export interface StepResult {
  readonly graph: Graph;
  /** Names of the nodes that the step changed. */
  readonly layers: readonly string[];
  readonly skipped: readonly SkippedLayer[];
  readonly promises: readonly Promised[];
  /** What the user should know: one sentence each. */
  readonly notes?: readonly string[];
  /** Constants that lost elements (removed channels): where the ones that are left stood before. Earlier promises follow them. */
  readonly survivors?: ReadonlyMap<string, Int32Array>;
}
