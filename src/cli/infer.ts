/** `bench infer MODEL --input x.npy --target wasm`: the model's outputs for given inputs, as JSON, in the file's layout and types. */
import { existsSync, readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { FormatError, formatShape, ShapeError, UsageError } from "../errors.ts";
import { readNpy } from "../formats/npy.ts";
import type { NpyArray } from "../formats/npy.ts";
import { tensorOf } from "../graph/access.ts";
import { createArray, elementCount } from "../graph/dtype.ts";
import type { TypedArray } from "../graph/dtype.ts";
import type { Graph, Shape, Tensor } from "../graph/ir.ts";
import { inferAll } from "../harness/infer.ts";
import type { Outputs } from "../harness/parity.ts";
import { parseTarget } from "../harness/target.ts";
import { openModel } from "./open-model.ts";
import { addBrowserOptions, browserChoice, collect, collectShape, seconds } from "./options.ts";
import type { BrowserWords } from "./options.ts";

interface InferOptions extends BrowserWords {
  readonly input: readonly string[];
  readonly target: string;
  readonly shape?: ReadonlyMap<string, readonly number[]>;
  readonly each?: boolean;
  readonly timeout: number;
  readonly verbose?: boolean;
}

export function inferCommand(): Command {
  return addBrowserOptions(
    new Command("infer")
      .description("run one model on inputs from .npy files and print its outputs as JSON")
      .argument("<model>", "path of an .onnx, .tflite or .slim file, or npm:PACKAGE/PATH")
      .requiredOption("--input <[NAME=]FILE.npy>", "an input, by name or in the model's order; repeatable", collect)
      .option("--target <target>", "where to run it", "cpu")
      .option("--shape <NAME=DIMS>", "bind an input's dynamic dimensions, e.g. x=1,3,48,192; repeatable", collectShape)
      .option("--each", "inputs hold many samples along their first dimension: run each, join the outputs")
      .option("--timeout <seconds>", "end the child after so long without a sign of life", seconds, 120)
      .addOption(new Option("--format <format>", "form of the output").choices(["json"]).default("json"))
      .action(infer),
  );
}

async function infer(spec: string, options: InferOptions): Promise<void> {
  const target = parseTarget(options.target);
  const { graph } = await openModel(spec, options.shape === undefined ? {} : { shapes: options.shape });
  const arrays = matchInputs(graph, options.input);
  const runs =
    options.each === true ? splitSamples(graph, arrays) : [graph.inputs.map((name) => checkInput(tensorOf(graph, name), arrays.get(name)))];
  const outputs = await inferAll(graph, target, runs, {
    silenceMs: options.timeout * 1000,
    ...browserChoice(options),
    ...(options.verbose === true ? { onStderr: (text: string) => process.stderr.write(text) } : {}),
  });
  process.stdout.write(`${JSON.stringify({ outputs: describeOutputs(graph, outputs, options.each === true) })}\n`);
}

interface NamedArray extends NpyArray {
  /** As the user wrote it. */
  readonly file: string;
}

/** Each of the graph's inputs → its array; named ones first, the others in order. */
function matchInputs(graph: Graph, words: readonly string[]): ReadonlyMap<string, NamedArray> {
  const arrays = new Map<string, NamedArray>();
  const unnamed: string[] = [];
  for (const word of words) {
    const [, name, file] = /^([^=]+)=(.+)$/s.exec(word) ?? [];
    if (name !== undefined && file !== undefined && graph.inputs.includes(name)) {
      if (arrays.has(name)) throw new UsageError(`--input ${word}: input "${name}" is given twice`);
      arrays.set(name, readArray(file));
    } else if (name !== undefined && file !== undefined && !existsSync(word)) {
      throw new UsageError(`--input ${word}: the model has no input "${name}". ${inputsText(graph)}`);
    } else unnamed.push(word);
  }
  for (const file of unnamed) {
    const name = graph.inputs.find((input) => !arrays.has(input));
    if (name === undefined) throw new UsageError(`--input ${file}: one too many. ${inputsText(graph)}`);
    arrays.set(name, readArray(file));
  }
  const missing = graph.inputs.find((input) => !arrays.has(input));
  if (missing !== undefined) throw new UsageError(`--input: input "${missing}" is missing. ${inputsText(graph)}`);
  return arrays;
}

function inputsText(graph: Graph): string {
  const list = graph.inputs.map((name) => {
    const { dtype, shape } = tensorOf(graph, name);
    return `${name} (${dtype} ${formatShape(shape)})`;
  });
  return `Inputs of the model: ${list.join(", ")}`;
}

function readArray(file: string): NamedArray {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new FormatError(
      `--input ${file}: cannot be read, ${error instanceof Error ? error.message : String(error)}`,
      "Check the path",
      error,
    );
  }
  return { ...readNpy(bytes, file), file };
}

function checkInput(tensor: Tensor, array: NamedArray | undefined, shape: Shape = tensor.shape): TypedArray {
  if (array === undefined) throw new UsageError(`--input: input "${tensor.name}" is missing`);
  if (array.dtype !== tensor.dtype) {
    throw new ShapeError(
      `--input ${array.file}: holds ${array.dtype}, but input "${tensor.name}" takes ${tensor.dtype}`,
      `Save it with .astype("${tensor.dtype}")`,
    );
  }
  if (array.shape.length !== shape.length || array.shape.some((d, i) => d !== shape[i])) {
    throw new ShapeError(
      `--input ${array.file}: shape ${formatShape(array.shape)}, but input "${tensor.name}" takes ${formatShape(shape)}`,
      "Reshape the array, or bind the model's dynamic dimensions with --shape",
    );
  }
  return array.data;
}

/** Inputs [N*b, ...] → N inferences of batch b. */
function splitSamples(graph: Graph, arrays: ReadonlyMap<string, NamedArray>): readonly (readonly TypedArray[])[] {
  let count: number | undefined;
  const parts = graph.inputs.map((name) => {
    const tensor = tensorOf(graph, name);
    const [batch = 1, ...rest] = tensor.shape;
    const array = arrays.get(name);
    const first = array?.shape[0] ?? 0;
    const data = checkInput(tensor, array, [first, ...rest]);
    const n = first / batch;
    if (!Number.isInteger(n) || n < 1) {
      throw new ShapeError(`--input ${array?.file ?? name}: first dimension ${first}, expected a multiple of the model's batch ${batch}`);
    }
    if (count !== undefined && count !== n)
      throw new ShapeError(`--input ${array?.file ?? name}: ${n} samples, but another input has ${count}`);
    count = n;
    const size = elementCount(tensor.shape);
    return Array.from({ length: n }, (_, i) => data.subarray(i * size, (i + 1) * size));
  });
  return Array.from({ length: count ?? 0 }, (_, i) => parts.map((part) => part[i] ?? new Float32Array(0)));
}

function describeOutputs(graph: Graph, runs: readonly Outputs[], joined: boolean): readonly Record<string, unknown>[] {
  return graph.outputs.map((name, o) => {
    const { dtype, shape } = tensorOf(graph, name);
    const size = elementCount(shape);
    const data = createArray(dtype, size * runs.length);
    runs.forEach((outputs, r) => data.set(outputs[o] ?? [], r * size));
    const [batch = 1, ...rest] = shape;
    return { name, dtype, shape: joined ? [batch * runs.length, ...rest] : shape, data: Array.from(data, jsonNumber) };
  });
}

/** JSON has no NaN and no infinities; as strings they survive, and Python's float() reads them. */
function jsonNumber(x: number): number | string {
  return Number.isFinite(x) ? x : String(x);
}
