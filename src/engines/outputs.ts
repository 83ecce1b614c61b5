/**
 * Where the outputs of an inference go: into fresh arrays, or into the caller's. Fresh memory has to be mapped and cleared page by page as it is
 * written, which for large outputs takes longer than the layer before them (800 kB in Chromium, 2026-11-24: 3.4 ms beside 0.5).
 */
import { ShapeError, formatShape } from "../errors.ts";
import { tensorOf } from "../graph/access.ts";
import { createArray, elementCount } from "../graph/dtype.ts";
import type { DType, TypedArray } from "../graph/dtype.ts";
import type { Graph } from "../graph/ir.ts";

const EMPTY = new Map<DType, TypedArray>();

/** One of each type, to compare constructors with. */
function sample(dtype: DType): TypedArray {
  let array = EMPTY.get(dtype);
  if (array === undefined) EMPTY.set(dtype, (array = createArray(dtype, 0)));
  return array;
}

/** Arrays for `Session.run` to write into, in the order of `graph.outputs`. */
export function createOutputs(graph: Graph): TypedArray[] {
  return graph.outputs.map((name) => {
    const { dtype, shape } = tensorOf(graph, name);
    return createArray(dtype, elementCount(shape));
  });
}

/** @throws ShapeError where the caller's arrays are not those of `graph.outputs`: their number, a type or a length */
export function checkOutputs(graph: Graph, outputs: readonly TypedArray[] | undefined): void {
  if (outputs === undefined) return;
  const { outputs: names, name: graphName } = graph;
  if (outputs.length !== names.length) {
    throw new ShapeError(
      `graph "${graphName}": wrong number of arrays for outputs, got ${outputs.length}, expected ${names.length} (${names.join(", ")})`,
    );
  }
  for (let i = 0; i < names.length; i++) {
    const { dtype, shape } = tensorOf(graph, names[i]!);
    const array = outputs[i]!;
    const count = elementCount(shape);
    if (array.constructor !== sample(dtype).constructor || array.length !== count) {
      throw new ShapeError(
        `array for output "${names[i]!}" of graph "${graphName}": got ${array.constructor.name} of ${array.length}, expected ` +
          `${sample(dtype).constructor.name} (${dtype}) of ${count} for ${formatShape(shape)}`,
      );
    }
  }
}

/** @param to checked; absent: a fresh array */
export function deliver(data: TypedArray, to: TypedArray | undefined): TypedArray {
  if (to === undefined) return data.slice();
  to.set(data);
  return to;
}
