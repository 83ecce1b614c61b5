/**
 * Makes the cases: every model in every precision, written in every format, with seeded inputs and what the CPU engine computes from
 * them. Integer twins come from our own recipe `int8`, calibrated on seeded noise, and reach the peers as QDQ ONNX and as int8 TFLite.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { applyRecipe } from "../../src/compress/apply.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import { graphStats } from "../../src/compress/stats.ts";
import { fillNormal, mulberry32 } from "../../src/data/random.ts";
import { cpuEngine } from "../../src/engines/cpu/index.ts";
import { observeGraph } from "../../src/engines/cpu/observe.ts";
import { graphTolerance } from "../../src/engines/tolerance.ts";
import { UnsupportedError, UsageError } from "../../src/errors.ts";
import { exportOnnx } from "../../src/formats/onnx/export.ts";
import { producersOf, requireInput, tensorOf } from "../../src/graph/access.ts";
import { elementCount, isFloat, type TypedArray } from "../../src/graph/dtype.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { integerRange } from "../../src/graph/numerics.ts";
import { permuteData } from "../../src/graph/permute.ts";
import { serializeGraph } from "../../src/graph/serialize.ts";
import { withFloatBorders } from "./borders.ts";
import type { ExpectedOutput, Form, PeerCase, TensorFile } from "./case.ts";
import { channelsFirstInputs, channelsLastInputs, type Relaid } from "./layouts.ts";
import { isQuantized, type Source, type SourceModel } from "./models.ts";
import { exportTflite } from "./tflite/export.ts";

const INPUT_SEED = 1;
const CALIBRATION_SEEDS = [11, 12, 13, 14, 15, 16, 17, 18];
/** Steps of the output's grid that a peer may be off: runtimes round requantization, additions and softmax differently. */
export const INT8_STEPS = 2;
/** For the rounding of the two float32 numbers that are compared. */
const STEP_SLACK = 2 ** -10;

type Precision = Source["precisions"][number];

/** @param accept titles to prepare; @returns cases in order, and what could not be made of a model */
export async function prepareCases(
  sources: readonly Source[],
  folder: string,
  accept: (title: string) => boolean,
): Promise<readonly PeerCase[]> {
  const cases: PeerCase[] = [];
  for (const source of sources) {
    const wanted = source.precisions.filter((precision) => accept(titleOf(source, precision)));
    if (wanted.length === 0) continue;
    const model = await source.load();
    for (const precision of isQuantized(model.graph) ? wanted.filter((p) => p === "int8") : wanted) {
      const id = `${cases.length}`;
      cases.push(await prepareCase(id, titleOf(source, precision), precision, model, folder));
    }
  }
  return cases;
}

function titleOf(source: Source, precision: Precision): string {
  return `${source.title} ${precision}`;
}

async function prepareCase(id: string, title: string, precision: Precision, model: SourceModel, folder: string): Promise<PeerCase> {
  const quantized = isQuantized(model.graph);
  const notes = [...model.notes];
  const graph = precision === "f32" ? model.graph : quantized ? withFloatBorders(model.graph) : await int8Twin(model.graph, notes);
  const inputs = seededInputs(graph, INPUT_SEED);
  const original = precision === "f32" ? model.original : undefined;
  const save = async (name: string, data: Uint8Array | TypedArray): Promise<string> => {
    const file = `${id}-${name}`;
    await writeFile(join(folder, file), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return file;
  };

  const form = async (format: string, write: () => { readonly bytes: Uint8Array; readonly relaid: Relaid }): Promise<Form> => {
    let written: ReturnType<typeof write>;
    try {
      written = write();
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
      return { reason: error.message };
    }
    const { bytes, relaid } = written;
    const files: TensorFile[] = [];
    for (const [i, name] of relaid.graph.inputs.entries()) {
      const { dtype, shape } = tensorOf(relaid.graph, name);
      const perm = relaid.perms[i];
      const from = tensorOf(graph, graph.inputs[i]!).shape;
      const data = perm === undefined ? inputs[i]! : permuteData(inputs[i]!, dtype, from, perm);
      files.push({ file: await save(`${format}-input${i}.bin`, data), dtype, shape });
    }
    return { file: await save(`model.${format}`, bytes), inputs: files };
  };
  const asIs: Relaid = { graph, perms: graph.inputs.map(() => undefined) };
  const given = (format: "onnx" | "tflite"): Uint8Array | undefined => (original?.format === format ? original.bytes : undefined);

  const forms = {
    graph: await form("graph", () => ({ bytes: serializeGraph(graph), relaid: asIs })),
    onnx: await form("onnx", () => {
      const bytes = given("onnx");
      if (bytes !== undefined) return { bytes, relaid: asIs };
      const relaid = channelsFirstInputs(graph);
      return { bytes: exportOnnx(relaid.graph), relaid };
    }),
    tflite: await form("tflite", () => {
      const bytes = given("tflite");
      if (bytes !== undefined) return { bytes, relaid: asIs };
      const relaid = channelsLastInputs(graph);
      return { bytes: exportTflite(relaid.graph), relaid };
    }),
  };

  const reference = await runReference(graph, inputs);
  const tolerances = graphTolerance(graph, reference);
  const outputs: ExpectedOutput[] = [];
  for (const [i, name] of graph.outputs.entries()) {
    const { dtype, shape } = tensorOf(graph, name);
    const step = outputStep(graph, name);
    const ownTolerance = step === undefined ? tolerances[i]! : 0;
    const tolerance = step === undefined ? tolerances[i]! : (INT8_STEPS + STEP_SLACK) * step;
    outputs.push({ file: await save(`output${i}.bin`, reference[i]!), dtype, shape, tolerance, ownTolerance });
  }
  return { id, title, precision, macs: graphStats(graph).totals.macs, forms, outputs, notes };
}

async function int8Twin(graph: Graph, notes: string[]): Promise<Graph> {
  const calibration = (): Iterable<readonly TypedArray[]> => CALIBRATION_SEEDS.map((seed) => seededInputs(graph, seed));
  const { graph: twin, steps } = await applyRecipe(graph, parseRecipe("int8"), { observe: observeGraph, calibration });
  const skipped = steps.flatMap((step) => step.skipped);
  if (skipped.length > 0) notes.push(`${skipped.length} of ${graph.nodes.length} ops stay float`);
  return twin;
}

/** Standard normal noise for floats, the whole range for 8-bit integers. */
function seededInputs(graph: Graph, seed: number): readonly TypedArray[] {
  const random = mulberry32(seed);
  return graph.inputs.map((name) => {
    const { dtype, shape } = tensorOf(graph, name);
    const count = elementCount(shape);
    if (dtype === "float32") {
      const data = new Float32Array(count);
      fillNormal(random, data);
      return data;
    }
    if (dtype !== "int8") throw new UsageError(`model "${graph.name}": input "${name}" is ${dtype}, expected float32 or int8`);
    const [min, max] = integerRange(dtype);
    return Int8Array.from({ length: count }, () => min + Math.floor(random() * (max - min + 1)));
  });
}

/** Step of an output that lies on an integer grid, in its own units: 1 for integers, the scale behind a Dequantize; undefined for floats. */
function outputStep(graph: Graph, name: string): number | undefined {
  const tensor = tensorOf(graph, name);
  if (!isFloat(tensor.dtype)) return 1;
  const producer = producersOf(graph).get(name);
  return producer?.op === "Dequantize" ? requireInput(graph, producer, 0).quant?.scales[0] : undefined;
}

async function runReference(graph: Graph, inputs: readonly TypedArray[]): Promise<readonly TypedArray[]> {
  const readAsset = (): Promise<Uint8Array> => Promise.reject(new Error("internal: the cpu engine reads no assets"));
  const session = await cpuEngine.compile(graph, { readAsset, now: () => performance.now() }, {});
  try {
    return await session.run(inputs);
  } finally {
    session.dispose();
  }
}
