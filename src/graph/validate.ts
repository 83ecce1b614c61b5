/**
 * Checks a whole graph after import and after every pass that tests run: names, order, shapes, data lengths, quantization. Errors name
 * the node, its op and the shapes.
 */
import { FormatError, ShapeError, formatShape } from "../errors.ts";
import { codeFault } from "./code.ts";
import { elementCount } from "./dtype.ts";
import { dynamicFault } from "./dynamic.ts";
import { roundingFault } from "./fixed-point.ts";
import { inferNode } from "./infer.ts";
import type { Graph, Tensor } from "./ir.ts";
import { isTree, treeFault } from "./tree.ts";

/** More elements than this in one tensor cannot be addressed by the engines (2^31 bytes of float32). */
const MAX_ELEMENTS = 2 ** 29;

/** @throws FormatError, ShapeError */
export function validateGraph(graph: Graph): void {
  for (const tensor of graph.tensors.values()) validateTensor(tensor);
  const ready = new Set<string>();
  for (const [name, tensor] of graph.tensors) if (tensor.data !== undefined) ready.add(name);
  for (const name of graph.inputs) {
    require(graph, name, `graph input "${name}"`);
    ready.add(name);
  }
  const nodeNames = new Set<string>();
  for (const node of graph.nodes) {
    const where = `node "${node.name}" (${node.op})`;
    if (nodeNames.has(node.name)) throw new FormatError(`${where}: the name is used twice`);
    nodeNames.add(node.name);
    const inputs = node.inputs.map((name) => {
      if (name === "") return undefined;
      if (!ready.has(name))
        throw new FormatError(`${where}: input "${name}" is written by no earlier node; the graph has a cycle or a gap`);
      return require(graph, name, where);
    });
    if (node.outputs.length !== 1) throw new FormatError(`${where}: ${node.outputs.length} outputs, expected 1`);
    const output = require(graph, node.outputs[0]!, where);
    if (ready.has(output.name)) throw new FormatError(`${where}: output "${output.name}" is already written`);
    const inferred = inferNode(node, inputs, output);
    if (formatShape(inferred.shape) !== formatShape(output.shape)) {
      throw new ShapeError(
        `${where}: output "${output.name}" has shape ${formatShape(output.shape)}, expected ${formatShape(inferred.shape)}`,
      );
    }
    ready.add(output.name);
    const fault = isTree(node) ? treeFault(graph, node) : (dynamicFault(graph, node) ?? roundingFault(graph, node));
    if (fault !== undefined) throw new FormatError(`${where}: ${fault}`);
  }
  if (graph.outputs.length === 0) throw new FormatError(`graph "${graph.name}": no outputs`);
  for (const name of graph.outputs) {
    if (!ready.has(name)) throw new FormatError(`graph "${graph.name}": output "${name}" is written by no node`);
  }
}

function require(graph: Graph, name: string, where: string): Tensor {
  const tensor = graph.tensors.get(name);
  if (tensor === undefined) throw new FormatError(`${where}: tensor "${name}" does not exist`);
  return tensor;
}

function validateTensor(tensor: Tensor): void {
  const { shape, data, quant } = tensor;
  if (shape.some((d) => !Number.isInteger(d) || d < 0))
    throw new ShapeError(`tensor "${tensor.name}": shape ${formatShape(shape)} is not static`);
  const count = elementCount(shape);
  if (count > MAX_ELEMENTS)
    throw new ShapeError(`tensor "${tensor.name}": ${formatShape(shape)} has ${count} elements, at most ${MAX_ELEMENTS}`);
  if (data !== undefined && data.length !== count) {
    throw new ShapeError(`tensor "${tensor.name}": ${data.length} values for shape ${formatShape(shape)}, expected ${count}`);
  }
  const fault = codeFault(tensor);
  if (fault !== undefined) throw new FormatError(`tensor "${tensor.name}": its compact code ${fault}`);
  if (quant === undefined) return;
  const expected = quant.axis === undefined ? 1 : shape[quant.axis];
  if (quant.scales.length !== expected || quant.zeroPoints.length !== expected) {
    throw new ShapeError(
      `tensor "${tensor.name}": ${quant.scales.length} scales, ${quant.zeroPoints.length} zero points, expected ${expected ?? 0}`,
    );
  }
  if (quant.scales.some((s) => !(s > 0 && Number.isFinite(s)))) {
    throw new FormatError(`tensor "${tensor.name}": a quantization scale is not a positive finite number`);
  }
}
