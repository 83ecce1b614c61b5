/**
 * Runs ONNX's operator tests (folders with model.onnx and test_data_set_N/{input,output}_M.pb) on the CPU engine: import, standard
 * passes, one inference, comparison. A test is `unsupported` only when it uses an op that the importer does not have; whatever else
 * keeps it from running is a failure, unless the list of exclusions names the test and says why.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { cpuEngine } from "../src/engines/cpu/index.ts";
import { evaluateNode } from "../src/engines/cpu/evaluate.ts";
import type { EngineContext } from "../src/engines/engine.ts";
import { formatShape } from "../src/errors.ts";
import { importOnnx } from "../src/formats/onnx/import.ts";
import { domainName } from "../src/formats/onnx/node.ts";
import { importerOf } from "../src/formats/onnx/ops/registry.ts";
import { decodeModel, decodeTensor, type GraphProto } from "../src/formats/onnx/proto.ts";
import { ELEM, readTensor, type TensorValue } from "../src/formats/onnx/tensor.ts";
import { tensorOf } from "../src/graph/access.ts";
import { isFloat } from "../src/graph/dtype.ts";
import type { Shape } from "../src/graph/ir.ts";
import { standardPasses } from "../src/graph/passes/index.ts";

export type Verdict = "passed" | "excluded" | "unsupported" | "failed";

export interface TestResult {
  readonly name: string;
  readonly verdict: Verdict;
  /** Unsupported ops, the reason of an exclusion, or what went wrong. Empty for a pass. */
  readonly detail: string;
}

/** Test name → why it is not run. */
export type Exclusions = Readonly<Record<string, string>>;

const EXCLUSIONS_FILE = new URL("./conformance-exclusions.json", import.meta.url);

export function readExclusions(): Exclusions {
  const schema = z.record(z.string(), z.string().min(10));
  return schema.parse(JSON.parse(readFileSync(EXCLUSIONS_FILE, "utf8")));
}

/** @param folder holds one folder per test */
export function listTests(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, "model.onnx")))
    .map((entry) => entry.name)
    .sort();
}

export async function runTest(folder: string, name: string, exclusions: Exclusions): Promise<TestResult> {
  const reason = exclusions[name];
  if (reason !== undefined) return { name, verdict: "excluded", detail: reason };
  const bytes = readFileSync(join(folder, name, "model.onnx"));
  const graph = readGraph(bytes, name);
  if (typeof graph === "string") return { name, verdict: "failed", detail: graph };
  const missing = new Set(graph.node.filter((n) => importerOf(domainName(n.domain), n.opType) === undefined).map((n) => n.opType));
  if (missing.size > 0) return { name, verdict: "unsupported", detail: [...missing].join(", ") };
  const sets = readdirSync(join(folder, name)).filter((entry) => entry.startsWith("test_data_set_"));
  if (sets.length === 0) return { name, verdict: "failed", detail: "no test_data_set_*" };
  for (const set of sets) {
    const detail = await runDataSet(bytes, graph, name, join(folder, name, set));
    if (detail !== "") return { name, verdict: "failed", detail: `${set}: ${detail}` };
  }
  return { name, verdict: "passed", detail: "" };
}

/** The model's graph, or what is wrong with the file. */
function readGraph(bytes: Uint8Array, name: string): GraphProto | string {
  try {
    return decodeModel(bytes, name).graph ?? "no graph";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

interface Value extends TensorValue {
  readonly elemType: number;
}

function readValues(folder: string, kind: "input" | "output"): readonly Value[] {
  const values: Value[] = [];
  for (let i = 0; existsSync(join(folder, `${kind}_${i}.pb`)); i++) {
    const proto = decodeTensor(readFileSync(join(folder, `${kind}_${i}.pb`)), `${kind}_${i}.pb`);
    values.push({ ...readTensor(proto, `${kind}_${i}.pb`), elemType: proto.dataType });
  }
  return values;
}

/** @returns what went wrong, or an empty string */
async function runDataSet(bytes: Uint8Array, graph: GraphProto, name: string, folder: string): Promise<string> {
  try {
    const inputs = readValues(folder, "input");
    const expected = readValues(folder, "output");
    const initializers = new Set(graph.initializer.map((t) => t.name));
    const names = graph.input.map((info) => info.name).filter((input) => !initializers.has(input));
    const byName = new Map(inputs.map((value, i) => [names[i] ?? "", value]));
    const actual = await runWithConstants(bytes, name, graph, byName);
    for (const [i, want] of expected.entries()) {
      const got = actual[i];
      const problem = got === undefined ? "missing" : compareTensors(got, want, want.elemType === ELEM.FLOAT16 ? 2e-3 : 1e-5);
      if (problem !== "") return `output ${i}: ${problem}`;
    }
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * The tests feed everything as graph inputs, weights, shapes and axes too. A first attempt feeds them all; where an op needs one of
 * them at load, a second attempt makes constants of all but those that are some node's first input.
 */
async function runWithConstants(
  bytes: Uint8Array,
  name: string,
  graph: GraphProto,
  inputs: ReadonlyMap<string, TensorValue>,
): Promise<readonly TensorValue[]> {
  try {
    return await runModel(bytes, name, inputs, new Map());
  } catch (error) {
    const data = new Set(graph.node.filter((node) => node.opType !== "ConstantOfShape").map((node) => node.input[0]));
    const constants = new Map([...inputs].filter(([input]) => !data.has(input)));
    if (constants.size === 0) throw error;
    return runModel(bytes, name, inputs, constants);
  }
}

async function runModel(
  bytes: Uint8Array,
  name: string,
  inputs: ReadonlyMap<string, TensorValue>,
  constants: ReadonlyMap<string, TensorValue>,
): Promise<readonly TensorValue[]> {
  const shapes = new Map<string, Shape>([...inputs].filter(([input]) => !constants.has(input)).map(([input, v]) => [input, v.shape]));
  const graph = standardPasses(importOnnx(bytes, { name, shapes, constants, evaluate: evaluateNode }), evaluateNode);
  const context: EngineContext = { readAsset: () => Promise.reject(new Error("no assets")), now: () => performance.now() };
  const session = await cpuEngine.compile(graph, context, {});
  try {
    const outputs = await session.run(graph.inputs.map((input) => inputs.get(input)!.data));
    return graph.outputs.map((output, i) => ({ ...tensorOf(graph, output), data: outputs[i]! }));
  } finally {
    session.dispose();
  }
}

/**
 * Type, shape and values. Integers must be equal; floats may differ by `relative` of the expected value plus 1e-6 of the largest one.
 * @returns what differs, or an empty string
 */
export function compareTensors(actual: TensorValue, expected: TensorValue, relative: number): string {
  if (actual.dtype !== expected.dtype) return `type ${actual.dtype}, expected ${expected.dtype}`;
  if (formatShape(actual.shape) !== formatShape(expected.shape)) {
    return `shape ${formatShape(actual.shape)}, expected ${formatShape(expected.shape)}`;
  }
  const exact = !isFloat(expected.dtype);
  let largest = 0;
  for (const v of expected.data) if (Number.isFinite(v)) largest = Math.max(largest, Math.abs(v));
  for (let i = 0; i < expected.data.length; i++) {
    const [got, want] = [actual.data[i]!, expected.data[i]!];
    if (Object.is(got, want) || got === want) continue;
    const allowed = exact ? 0 : relative * Math.abs(want) + 1e-6 * largest;
    if (!(Math.abs(got - want) <= allowed)) return `element ${i} is ${got}, expected ${want}`;
  }
  return "";
}

export function countVerdicts(results: readonly TestResult[]): Readonly<Record<Verdict, number>> {
  const counts: Record<Verdict, number> = { passed: 0, excluded: 0, unsupported: 0, failed: 0 };
  for (const { verdict } of results) counts[verdict]++;
  return counts;
}

export function formatCounts(results: readonly TestResult[]): string {
  const { passed, excluded, unsupported, failed } = countVerdicts(results);
  return `${results.length} tests: ${passed} passed, ${excluded} excluded, ${unsupported} unsupported, ${failed} failed`;
}
