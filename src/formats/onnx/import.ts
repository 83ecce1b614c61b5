/**
 * ONNX model → Graph. Nodes are sorted and those that no output needs are left out; each becomes one or a few graph nodes (see ops/);
 * spatial ops stand between Transposes, which the layout pass then removes, so that the result is channels-last with Transposes only
 * where the file's own inputs and outputs are channels-first. float16 tensors are held as float32.
 */
import { FormatError, UnsupportedError } from "../../errors.ts";
import { GraphBuilder } from "../../graph/builder.ts";
import type { Graph, Quantization } from "../../graph/ir.ts";
import { minimizeTransposes } from "../../graph/passes/layout.ts";
import { withoutUnused } from "../../graph/passes/layout-state.ts";
import { validateGraph } from "../../graph/validate.ts";
import type { ImportOptions } from "../options.ts";
import { ImportContext } from "./context.ts";
import { fuseDynamic } from "./fuse-dynamic.ts";
import { resolveInputs } from "./inputs.ts";
import { withoutLabels } from "./labels.ts";
import { OnnxNode, domainName } from "./node.ts";
import { importerOf } from "./ops/registry.ts";
import { decodeModel, type GraphProto, type ModelProto } from "./proto.ts";
import { readSparse, sparseName } from "./sparse.ts";
import { ELEM, irType, readTensor, toInteger, type TensorValue } from "./tensor.ts";

/** @throws FormatError, ShapeError, UnsupportedError, UsageError */
export function importOnnx(bytes: Uint8Array, options: ImportOptions): Graph {
  if (bytes.length === 0) throw new FormatError(`${options.name}: the file is empty, expected an ONNX model`);
  const model = decodeModel(bytes, options.name);
  const proto = model.graph && fuseDynamic(withoutLabels(model.graph));
  if (!proto) throw new FormatError(`${options.name}: no graph in ${bytes.length} bytes, expected an ONNX model`);
  const source = new Source(model, proto, options);
  const graph = withoutUnused(source.build());
  validateGraph(graph);
  const result = minimizeTransposes(graph);
  validateGraph(result);
  return result;
}

class Source {
  readonly #options: ImportOptions;
  readonly #proto: GraphProto;
  readonly #nodes: readonly OnnxNode[];
  /** Name → reads the value, once it is needed. */
  readonly #initializers: ReadonlyMap<string, () => TensorValue>;

  constructor(model: ModelProto, proto: GraphProto, options: ImportOptions) {
    this.#options = options;
    this.#proto = proto;
    const opsets = new Map(model.opsetImport.map((o) => [domainName(o.domain), toInteger(o.version, `${options.name}: opset version`)]));
    this.#nodes = proto.node.map((node) => new OnnxNode(node, opsets));
    const where = (name: string): string => `${options.name}: initializer "${name}"`;
    this.#initializers = new Map<string, () => TensorValue>([
      ...proto.initializer.map((tensor) => [tensor.name, () => readTensor(tensor, where(tensor.name))] as const),
      ...proto.sparseInitializer.map((sparse) => [sparseName(sparse), () => readSparse(sparse, where(sparseName(sparse)))] as const),
    ]);
    this.#checkNames();
  }

  /** Every value is written once: an initializer may stand for an input, nothing else may coincide. */
  #checkNames(): void {
    const { name: file } = this.#options;
    const seen = new Map<string, string>();
    const claim = (name: string, by: string): void => {
      if (name === "") throw new FormatError(`${file}: ${by} has no name`);
      const other = seen.get(name);
      if (other !== undefined) throw new FormatError(`${file}: ${by} writes "${name}", which ${other} writes too; expected one writer`);
      seen.set(name, by);
    };
    for (const input of this.#proto.input) claim(input.name, "a graph input");
    const count = this.#proto.initializer.length + this.#proto.sparseInitializer.length;
    if (this.#initializers.size !== count) throw new FormatError(`${file}: two initializers share a name`);
    for (const name of this.#initializers.keys()) if (!seen.has(name)) claim(name, "an initializer");
    for (const node of this.#nodes) for (const output of node.outputs) if (output !== "") claim(output, node.where);
  }

  build(): Graph {
    const { name: file, evaluate, constants } = this.#options;
    const builder = new GraphBuilder(file);
    const order = this.#sorted();
    const outputs = this.#proto.output.map((o) => o.name);
    if (outputs.length === 0) throw new FormatError(`${file}: the graph has no outputs`);
    const needed = new Set([...outputs, ...order.flatMap((node) => node.inputs)]);

    const given = new Map(this.#initializers);
    for (const [name, value] of constants ?? []) given.set(name, () => value);
    const inputInfos = this.#proto.input.filter((info) => !given.has(info.name));
    const inputs = resolveInputs(inputInfos, this.#options);

    const reserved = new Set([...this.#proto.input.map((i) => i.name), ...given.keys(), ...this.#nodes.flatMap((node) => node.outputs)]);
    const initializers = new Map(
      [...given].map(([name, read]) => [
        name,
        () => {
          const { dtype, shape, data } = read();
          return builder.has(name) ? name : builder.constant(name, dtype, shape, data);
        },
      ]),
    );
    const ctx = new ImportContext(builder, evaluate, { initializers, reserved, needed });
    for (const { name, elemType, shape } of inputs) {
      builder.input(
        name,
        irType(elemType, `${file}: input "${name}"`),
        shape,
        elemType === ELEM.FLOAT ? undefined : this.#inputGrid(name, given),
      );
      ctx.bindInput(name);
    }
    for (const node of order) {
      const importer = importerOf(node.domain, node.op);
      if (importer === undefined) {
        throw new UnsupportedError(`${node.where}: op ${node.op} of domain ${node.domain}, opset ${node.opset}, is not supported`);
      }
      importer(ctx, node);
    }
    return builder.finish(outputs.map((name) => this.#output(name, ctx)));
  }

  /** A graph output under its own name: values known at load and aliases get a copy. */
  #output(name: string, ctx: ImportContext): string {
    const { builder } = ctx;
    const tensor = ctx.lookup(name);
    if (tensor === undefined) throw new FormatError(`${this.#options.name}: output "${name}" is written by no node`);
    if (builder.has(name)) return name;
    const { shape, dtype, quant } = tensor;
    return builder.add("Reshape", `output:${name}`, [tensor.name], {}, { name, shape, dtype, ...(quant && { quant }) });
  }

  /** Nodes that the outputs need, each after those that write its inputs. @throws FormatError for a cycle */
  #sorted(): readonly OnnxNode[] {
    const writer = new Map<string, OnnxNode>();
    for (const node of this.#nodes) for (const output of node.outputs) if (output !== "") writer.set(output, node);
    const order: OnnxNode[] = [];
    const state = new Map<OnnxNode, "open" | "done">();
    const writers = (node: OnnxNode): OnnxNode[] => node.inputs.flatMap((input) => writer.get(input) ?? []);
    // Depth first with an explicit stack: files may be thousands of nodes deep.
    for (const root of this.#proto.output.flatMap((o) => writer.get(o.name) ?? [])) {
      const stack: OnnxNode[] = [root];
      for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
        const before = state.get(node);
        if (before === "done") {
          stack.pop();
          continue;
        }
        state.set(node, "open");
        const next = writers(node).find((other) => state.get(other) !== "done");
        if (next === undefined) {
          state.set(node, "done");
          order.push(node);
          stack.pop();
        } else {
          if (state.get(next) === "open")
            throw new FormatError(`${next.where}: its output leads back to its own input; the graph has a cycle`);
          stack.push(next);
        }
      }
    }
    // The file's order where it is valid keeps reports readable.
    const rank = new Map(this.#nodes.map((node, i) => [node, i]));
    const byFile = order.toSorted((a, b) => rank.get(a)! - rank.get(b)!);
    return isSorted(byFile, writers) ? byFile : order;
  }

  /** The grid of an integer graph input, taken from the first node that reads it with a constant scale, through a Transpose or Reshape. */
  #inputGrid(name: string, given: ReadonlyMap<string, () => TensorValue>, depth = 0): Quantization | undefined {
    for (const node of this.#nodes) {
      const index = node.inputs.indexOf(name);
      if (index < 0) continue;
      if (index === 0 && depth < 4 && (node.op === "Transpose" || node.op === "Reshape")) {
        const grid = this.#inputGrid(node.outputs[0] ?? "", given, depth + 1);
        if (grid !== undefined && grid.axis === undefined) return grid;
      }
      const operand = index === 0 || index === 3;
      const reads = node.op === "DequantizeLinear" ? index === 0 : /^(QLinear|QGemm)/.test(node.op) && operand;
      if (!reads) continue;
      const scale = this.#constantValue(node.inputs[index + 1] ?? "", given);
      const zero = this.#constantValue(node.inputs[index + 2] ?? "", given);
      if (!scale?.data.every((s) => s > 0 && Number.isFinite(s))) continue;
      const scales = Float32Array.from(scale.data);
      const zeroPoints = Int32Array.from({ length: scales.length }, (_, i) => zero?.data[i] ?? 0);
      const rank = this.#proto.input.find((i) => i.name === name)?.type?.tensorType?.shape?.dim.length ?? 0;
      const axis = node.int("axis", 1);
      return { scales, zeroPoints, ...(scales.length > 1 && { axis: axis < 0 ? axis + rank : axis }) };
    }
    return undefined;
  }

  #constantValue(name: string, given: ReadonlyMap<string, () => TensorValue>): TensorValue | undefined {
    const read = given.get(name);
    if (read !== undefined) return read();
    const proto = this.#nodes.find((node) => node.op === "Constant" && node.outputs[0] === name)?.tensor("value");
    return proto === undefined ? undefined : readTensor(proto, `${this.#options.name}: constant "${name}"`);
  }
}

function isSorted(order: readonly OnnxNode[], writers: (node: OnnxNode) => readonly OnnxNode[]): boolean {
  const done = new Set<OnnxNode>();
  return order.every((node) => {
    const ready = writers(node).every((writer) => done.has(writer));
    done.add(node);
    return ready;
  });
}
