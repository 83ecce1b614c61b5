/**
 * From a dataset's samples to a graph's input arrays, and from its output to a class. Checks once that the two fit, so that the
 * loops need not: shapes may differ by dimensions of 1 only, and float samples are quantized for a model that takes integers.
 */
import type { Dataset } from "./dataset.ts";
import { inverseScale, integerRange, perTensor, quantizeValue } from "../graph/numerics.ts";
import { formatShape, ShapeError } from "../errors.ts";
import { tensorOf } from "../graph/access.ts";
import { createArray, elementCount, isFloat } from "../graph/dtype.ts";
import type { TypedArray } from "../graph/dtype.ts";
import type { Graph, Tensor } from "../graph/ir.ts";

export interface Feeder {
  /** Samples of one inference. */
  readonly batch: number;
  /** Inputs for up to `batch` samples; a short last batch is filled up with its first sample. */
  inputs(indices: ArrayLike<number>): readonly TypedArray[];
}

/** @throws ShapeError when the dataset's samples do not fit the model's input */
export function feederFor(graph: Graph, dataset: Dataset): Feeder {
  const input = onlyInput(graph, dataset);
  const sampleElements = elementCount(dataset.input.shape);
  const batch = batchOf(input, dataset);
  const convert = converter(input, dataset);
  return {
    batch,
    inputs(indices) {
      const array = createArray(input.dtype, sampleElements * batch);
      for (let i = 0; i < batch; i++) {
        const index = indices[i < indices.length ? i : 0] ?? 0;
        array.set(convert(dataset.sample(index)), i * sampleElements);
      }
      return [array];
    },
  };
}

function onlyInput(graph: Graph, dataset: Dataset): Tensor {
  const name = graph.inputs[0];
  if (name === undefined || graph.inputs.length !== 1) {
    throw new ShapeError(
      `dataset ${dataset.name}: feeds one input, but model ${graph.name} has ${graph.inputs.length} (${graph.inputs.join(", ")})`,
      "Run the model without --dataset",
    );
  }
  return tensorOf(graph, name);
}

function batchOf(input: Tensor, dataset: Dataset): number {
  const batch = elementCount(input.shape) / elementCount(dataset.input.shape);
  const misfit = new ShapeError(
    `dataset ${dataset.name}: samples of shape ${formatShape(dataset.input.shape)} do not fit input "${input.name}" of shape ${formatShape(input.shape)}`,
    "Expected [batch, ...sample shape]; check the dataset's input.shape, or bind the model's with --shape",
  );
  if (!Number.isInteger(batch) || batch < 1) throw misfit;
  const wanted = [batch, ...dataset.input.shape].filter((d) => d !== 1);
  const got = input.shape.filter((d) => d !== 1);
  if (wanted.length !== got.length || wanted.some((d, i) => d !== got[i])) throw misfit;
  return batch;
}

function converter(input: Tensor, dataset: Dataset): (sample: TypedArray) => TypedArray {
  if (input.dtype === dataset.input.dtype) return (sample) => sample;
  if (isFloat(dataset.input.dtype) && input.quant !== undefined && !isFloat(input.dtype)) {
    const { scale, zeroPoint } = perTensor(input.quant);
    const inverse = inverseScale(scale);
    const [min, max] = integerRange(input.dtype);
    return (sample) => {
      const array = createArray(input.dtype, sample.length);
      for (let i = 0; i < sample.length; i++) array[i] = quantizeValue(sample[i] ?? 0, inverse, zeroPoint, min, max);
      return array;
    };
  }
  throw new ShapeError(
    `dataset ${dataset.name}: samples are ${dataset.input.dtype}, but input "${input.name}" takes ${input.dtype}`,
    "Write the dataset in the model's own type",
  );
}

/** Scores per sample in the first output. @throws ShapeError when they are not as many as the dataset has classes */
export function classesOf(graph: Graph, dataset: Dataset, batch: number): number {
  const name = graph.outputs[0] ?? "";
  const { shape } = tensorOf(graph, name);
  const scores = elementCount(shape) / batch;
  if (scores !== dataset.classes) {
    throw new ShapeError(
      `dataset ${dataset.name}: has ${dataset.classes} classes, but output "${name}" of model ${graph.name} has shape ${formatShape(shape)}`,
      "Use the dataset that the model was trained for",
    );
  }
  return scores;
}

/** Position of the largest of `count` values from `start`, relative to `start`; the first of equals. */
export function largestIndex(values: TypedArray, start: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) {
    if ((values[start + i] ?? -Infinity) > (values[start + best] ?? -Infinity)) best = i;
  }
  return best;
}
