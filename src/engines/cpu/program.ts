/**
 * A graph compiled for the CPU: one kernel a node, every activation in one arena. Shared by the engine and by `observeGraph`.
 * Running it allocates nothing; the caller copies the outputs out.
 */
import { ShapeError, formatShape } from "../../errors.ts";
import { isConstant, outputTensor, requireInput, tensorOf } from "../../graph/access.ts";
import { elementCount, viewArray } from "../../graph/dtype.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import type { Graph, Node } from "../../graph/ir.ts";
import { deliver } from "../outputs.ts";
import { planArena } from "../plan.ts";
import { createCpuKernel } from "./kernel.ts";
import type { CpuKernel, SparsePolicy } from "./kernel.ts";
import { Scratch, sameQuantization, unsupported } from "./kernels/shared.ts";

export interface Step {
  readonly node: Node;
  readonly kernel: string;
  readonly why?: string;
  readonly output: TypedArray;
  readonly run: () => void;
}

export interface Program {
  readonly graph: Graph;
  readonly steps: readonly Step[];
  /** Live data of every tensor: arena views (overwritten by later steps) and constants. */
  readonly data: ReadonlyMap<string, TypedArray>;
  /** Packed weights, tables, and constants that kernels read as they are. */
  readonly weightBytes: number;
  /** Arena and the kernels' scratch. */
  readonly activationBytes: number;
}

const ALIGNMENT = 64;
const ALIAS = "any_reshape_alias__cpu";

/** @throws UnsupportedError naming the node */
export function compileProgram(graph: Graph, sparse: SparsePolicy): Program {
  const plan = planArena(graph, ALIGNMENT);
  const arena = new ArrayBuffer(plan.peakBytes);
  const data = new Map<string, TypedArray>();
  for (const [name, offset] of plan.offsets) {
    const { dtype, shape } = tensorOf(graph, name);
    data.set(name, viewArray(dtype, arena, offset, elementCount(shape)));
  }
  for (const tensor of graph.tensors.values()) if (isConstant(tensor)) data.set(tensor.name, tensor.data);

  const scratch = new Scratch();
  const readAsIs = new Set<string>();
  let weightBytes = 0;
  const steps = graph.nodes.map((node): Step => {
    const output = data.get(node.outputs[0]!)!;
    if (plan.aliasOf.has(node.outputs[0]!)) {
      checkAlias(graph, node);
      return { node, kernel: ALIAS, output, run: () => undefined };
    }
    const kernel: CpuKernel = createCpuKernel(graph, node, { scratch, sparse });
    weightBytes += kernel.weightBytes;
    node.inputs.forEach((name, i) => {
      if (name !== "" && isConstant(tensorOf(graph, name)) && !kernel.packedInputs.includes(i)) readAsIs.add(name);
    });
    const inputs = node.inputs.map((name) => (name === "" ? undefined : data.get(name)));
    const why = kernel.why === undefined ? {} : { why: kernel.why };
    return { node, kernel: kernel.name, ...why, output, run: () => kernel.run(inputs, output) };
  });
  for (const name of readAsIs) weightBytes += data.get(name)!.byteLength;
  return { graph, steps, data, weightBytes, activationBytes: plan.peakBytes + scratch.bytes };
}

/** Shared bytes mean shared values only on one grid. */
function checkAlias(graph: Graph, node: Node): void {
  const from = requireInput(graph, node, 0);
  const to = outputTensor(graph, node);
  if (from.quant !== undefined && to.quant !== undefined && !sameQuantization(from.quant, to.quant)) {
    throw unsupported(node, "reshape to another quantization grid", "Insert a Requantize node.");
  }
}

/** Copies the caller's inputs into the arena after checking number, type and length. */
export function loadInputs(program: Program, inputs: readonly TypedArray[]): void {
  const { graph, data } = program;
  if (inputs.length !== graph.inputs.length) {
    throw new ShapeError(
      `graph "${graph.name}": wrong number of inputs, got ${inputs.length}, expected ${graph.inputs.length} (${graph.inputs.join(", ")})`,
    );
  }
  graph.inputs.forEach((name, i) => {
    const { dtype, shape } = tensorOf(graph, name);
    const target = data.get(name)!;
    const input = inputs[i]!;
    if (input.constructor !== target.constructor) {
      throw new ShapeError(
        `input "${name}" of graph "${graph.name}": wrong element type, got ${input.constructor.name}, expected ${target.constructor.name} (${dtype})`,
      );
    }
    if (input.length !== target.length) {
      throw new ShapeError(
        `input "${name}" of graph "${graph.name}": wrong length, got ${input.length} elements, expected ${target.length} for ${formatShape(shape)}`,
      );
    }
    target.set(input);
  });
}

/** @param to checked; absent: fresh arrays */
export function copyOutputs(program: Program, to?: readonly TypedArray[]): TypedArray[] {
  return program.graph.outputs.map((name, i) => deliver(program.data.get(name)!, to?.[i]));
}
