/**
 * A graph's layers as prunable modules: `weight` and `bias` of each, where they are float constants. The graph stays as it is; `applyTo` writes the
 * masked values into a copy, and `state` saves originals and masks, so that training can go on from a file.
 */
import { FormatError, UsageError } from "../../../errors.ts";
import { elementCount } from "../../../graph/dtype.ts";
import { inputTensor, isConstant } from "../../../graph/access.ts";
import { withoutCode } from "../../../graph/code.ts";
import type { Graph, Tensor } from "../../../graph/ir.ts";
import { isWeighted, withTensors } from "../../layers.ts";
import { CustomFromMask } from "./methods.ts";
import { Parameter, PrunableModule } from "./module.ts";

export const PRUNING_STATE_SCHEMA = "slimbench/pruning@1";

/** JSON-safe. */
export interface PruningState {
  readonly schema: typeof PRUNING_STATE_SCHEMA;
  /** By tensor name: every pruned parameter. */
  readonly parameters: Readonly<Record<string, SavedParameter>>;
}

export interface SavedParameter {
  readonly shape: readonly number[];
  /** float32, little-endian, base64. */
  readonly orig: string;
  /** A byte for each entry, base64. */
  readonly mask: string;
}

export class PrunableModel {
  /** By node name, in execution order. */
  readonly modules: ReadonlyMap<string, PrunableModule>;
  readonly #parameters: ReadonlyMap<string, Parameter>;

  constructor(graph: Graph) {
    const parameters = new Map<string, Parameter>();
    const modules = new Map<string, PrunableModule>();
    for (const node of graph.nodes) {
      if (!isWeighted(node)) continue;
      const own = new Map<string, Parameter>();
      for (const [key, index] of [
        ["weight", 1],
        ["bias", 2],
      ] as const) {
        const tensor = inputTensor(graph, node, index);
        if (tensor === undefined || !isConstant(tensor) || !(tensor.data instanceof Float32Array)) continue;
        let parameter = parameters.get(tensor.name);
        if (parameter === undefined) parameters.set(tensor.name, (parameter = new Parameter({ shape: tensor.shape, data: tensor.data })));
        own.set(key, parameter);
      }
      if (own.size > 0) modules.set(node.name, new PrunableModule(node.name, own));
    }
    this.modules = modules;
    this.#parameters = parameters;
  }

  /** @throws UsageError naming the layers that there are */
  module(node: string): PrunableModule {
    const module = this.modules.get(node);
    if (module === undefined) throw new UsageError(`pruning: no layer "${node}". Known: ${[...this.modules.keys()].join(", ")}`);
    return module;
  }

  get isPruned(): boolean {
    return [...this.#parameters.values()].some((parameter) => parameter.isPruned);
  }

  /** By tensor name: 1 for each entry that stays. */
  masks(): ReadonlyMap<string, Uint8Array> {
    return new Map([...this.#parameters].flatMap(([name, { mask }]) => (mask === undefined ? [] : [[name, mask] as const])));
  }

  /**
   * The graph with the parameters' current values; what is unchanged keeps its compact code and sparsity.
   * @param graph the one that the model was made of, or one with the same parameters
   * @throws UsageError when it lacks one
   */
  applyTo(graph: Graph): Graph {
    const tensors: Tensor[] = [];
    for (const [name, parameter] of this.#parameters) {
      const tensor = graph.tensors.get(name);
      if (tensor === undefined || !isConstant(tensor) || tensor.data.length !== parameter.value.length)
        throw new UsageError(`pruning: graph "${graph.name}" has no constant "${name}" of ${parameter.value.length} elements`);
      parameter.beforeForward();
      if (tensor.data.every((value, i) => Object.is(value, parameter.value[i]))) continue;
      const zeros = parameter.isPruned ? { sparsity: { pattern: "unstructured" } as const } : {};
      tensors.push({ ...withoutCode(tensor), data: parameter.value.slice(), ...zeros });
    }
    return withTensors(graph, tensors);
  }

  state(): PruningState {
    const entries = [...this.#parameters].flatMap(([name, { shape, orig, mask }]) => {
      if (mask === undefined) return [];
      return [[name, { shape, orig: floatsToText(orig), mask: Buffer.from(mask).toString("base64") }] as const];
    });
    return { schema: PRUNING_STATE_SCHEMA, parameters: Object.fromEntries(entries) };
  }

  /**
   * Takes over saved originals and masks; methods that come after stack on them. Nothing changes when something does not fit.
   * @param state as `state` gave it, through JSON or not
   * @throws FormatError
   */
  load(state: unknown): void {
    const saved = isRecord(state) && state["schema"] === PRUNING_STATE_SCHEMA ? state["parameters"] : undefined;
    if (!isRecord(saved)) throw new FormatError(`pruning state: expected an object with schema "${PRUNING_STATE_SCHEMA}" and parameters`);
    const read = Object.entries(saved).map(([name, entry]) => {
      const parameter = this.#parameters.get(name);
      if (parameter === undefined) throw new FormatError(`pruning state: parameter "${name}" is not in this model`);
      if (parameter.isPruned) throw new FormatError(`pruning state: parameter "${name}" is pruned already. Load into a fresh model`);
      return { parameter, ...readParameter(name, entry, parameter) };
    });
    for (const { parameter, orig, mask } of read) {
      parameter.orig.set(orig);
      parameter.prune(new CustomFromMask({ shape: parameter.shape, data: mask }));
    }
  }
}

function readParameter(name: string, entry: unknown, { shape }: Parameter): { readonly orig: Float32Array; readonly mask: Uint8Array } {
  const [orig, mask] = isRecord(entry) ? [entry["orig"], entry["mask"]] : [];
  if (typeof orig !== "string" || typeof mask !== "string")
    throw new FormatError(`pruning state: parameter "${name}": expected orig and mask, both base64 text`);
  const size = elementCount(shape);
  const [floats, bytes] = [Buffer.from(orig, "base64"), Buffer.from(mask, "base64")];
  if (floats.length !== 4 * size || bytes.length !== size)
    throw new FormatError(
      `pruning state: parameter "${name}": got ${floats.length / 4} values and ${bytes.length} of a mask, expected ${size}`,
    );
  return { orig: Float32Array.from({ length: size }, (_, i) => floats.readFloatLE(4 * i)), mask: Uint8Array.from(bytes) };
}

function floatsToText(values: Float32Array): string {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeFloatLE(value, 4 * i));
  return bytes.toString("base64");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
