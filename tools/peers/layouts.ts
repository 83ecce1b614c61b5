/**
 * Brings a graph's images into the layout that a format stands for, so that no runtime pays for another's habit: channels first where the
 * model goes to an ONNX runtime, channels last where it goes to a TFLite runtime. Only the border changes; the caller permutes the data
 * in the same way.
 */
import { consumersOf, tensorOf } from "../../src/graph/access.ts";
import type { Graph, Node, Tensor } from "../../src/graph/ir.ts";
import { permuteList } from "../../src/graph/permute.ts";

export interface Relaid {
  readonly graph: Graph;
  /** For each input: axes of the original, in the order of the new one; absent where nothing changed. */
  readonly perms: readonly (readonly number[] | undefined)[];
}

const TO_FIRST = [0, 3, 1, 2];
const TO_LAST = [0, 2, 3, 1];
const SPATIAL: ReadonlySet<string> = new Set(["Conv2D", "DepthwiseConv2D", "MaxPool2D", "AveragePool2D", "Resize"]);

/** Inputs that go straight into spatial ops become [N, C, H, W]; the Transpose that is added here is one that the exporter takes out. */
export function channelsFirstInputs(graph: Graph): Relaid {
  const consumers = consumersOf(graph);
  const tensors = new Map(graph.tensors);
  const added: Node[] = [];
  const renamed = new Map<string, string>();
  const perms = graph.inputs.map((name) => {
    const tensor = tensorOf(graph, name);
    if (tensor.shape.length !== 4 || !readsImages(graph, name, consumers)) return undefined;
    const image = `${name}/image`;
    tensors.set(image, { ...tensor, name: image });
    tensors.set(name, { ...tensor, shape: permuteList(tensor.shape, TO_FIRST) });
    added.push({ name: `to:${image}`, op: "Transpose", inputs: [name], outputs: [image], attrs: { perm: TO_LAST } });
    renamed.set(name, image);
    return TO_FIRST;
  });
  return { graph: { ...graph, tensors, nodes: [...added, ...graph.nodes.map((node) => renameInputs(node, renamed))] }, perms };
}

/** Through the Quantize that stands at the border of an int8 model. */
function readsImages(graph: Graph, name: string, consumers: ReadonlyMap<string, readonly Node[]>): boolean {
  const nodes = consumers.get(name) ?? [];
  return nodes.every((n) => SPATIAL.has(n.op) || (n.op === "Quantize" && readsImages(graph, n.outputs[0]!, consumers)));
}

/** Inputs that are only transposed to channels last are taken channels last instead. */
export function channelsLastInputs(graph: Graph): Relaid {
  const consumers = consumersOf(graph);
  const tensors = new Map<string, Tensor>(graph.tensors);
  const removed = new Set<Node>();
  const inputs: string[] = [];
  const perms = graph.inputs.map((name) => {
    const [only, ...others] = consumers.get(name) ?? [];
    const image = only?.outputs[0];
    const transposed = only?.op === "Transpose" && only.attrs.perm.join() === TO_LAST.join();
    if (only === undefined || image === undefined || !transposed || others.length > 0 || graph.outputs.includes(image)) {
      inputs.push(name);
      return undefined;
    }
    removed.add(only);
    tensors.delete(name);
    inputs.push(image);
    return TO_LAST;
  });
  return { graph: { ...graph, inputs, tensors, nodes: graph.nodes.filter((node) => !removed.has(node)) }, perms };
}

function renameInputs(node: Node, names: ReadonlyMap<string, string>): Node {
  return node.inputs.some((name) => names.has(name)) ? { ...node, inputs: node.inputs.map((name) => names.get(name) ?? name) } : node;
}
