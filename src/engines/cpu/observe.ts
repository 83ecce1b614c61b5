/** Runs a graph on the CPU and shows every tensor as it is computed: calibration and layer statistics are built on this. */
import type { TypedArray } from "../../graph/dtype.ts";
import type { Graph } from "../../graph/ir.ts";
import { compileProgram, copyOutputs, loadInputs } from "./program.ts";

/** `data` is live memory of the run: read it during the call, copy what must outlast it. */
export type TensorVisitor = (tensorName: string, data: TypedArray) => void;

export interface GraphObserver {
  /** Visits graph inputs first, then each node's output in execution order; constants are not visited. Returns fresh outputs. */
  run(inputs: readonly TypedArray[], visit: TensorVisitor): readonly TypedArray[];
}

export function observeGraph(graph: Graph): GraphObserver {
  const program = compileProgram(graph, "auto");
  return {
    run(inputs, visit) {
      loadInputs(program, inputs);
      for (const name of graph.inputs) visit(name, program.data.get(name)!);
      for (const step of program.steps) {
        step.run();
        visit(step.node.outputs[0]!, step.output);
      }
      return copyOutputs(program);
    },
  };
}
