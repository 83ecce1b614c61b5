/**
 * Rates of every WebGPU kernel on this machine's adapter, and which targets they reach: `npm run bench:gpu [-- --out FILE --filter TEXT]`. Layers go
 * through the engine's own lowering with the kernel named, so a new candidate is measured without a word here. Writes
 * results/gpu-<adapter>.json; results/README.md says what stands in it. A software GPU gets small shapes and says so.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { drawTable } from "../src/cli/plain-table.ts";
import { parseRecipe } from "../src/compress/recipe.ts";
import type { EngineContext } from "../src/engines/engine.ts";
import { acquireDevice } from "../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../src/engines/webgpu/index.ts";
import { SlimbenchError } from "../src/errors.ts";
import { inputTensor, outputTensor } from "../src/graph/access.ts";
import { elementCount } from "../src/graph/dtype.ts";
import { ceilingsOf, type Ceiling } from "../src/harness/ceilings.ts";
import { readEnvironment } from "../src/harness/environment.ts";
import { LAYER } from "../src/harness/kernels/model.ts";
import { parseShapeText, shapeLabel } from "../src/harness/kernels/shape.ts";
import { prepareModel, preparePair } from "../src/harness/prepare.ts";
import { gpuEnvironment, openNodeGpu } from "../src/hosts/gpu.ts";
import { ABSENT, significant } from "../src/report/format.ts";
import { writeFileAtomic } from "../src/results/store.ts";
import { gpuCases, type GpuCase } from "./gpu/cases.ts";
import { measureLayer } from "./gpu/measure.ts";
import { judgeTargets, type Measured, type Target } from "./gpu/targets.ts";

const CEILING_SAMPLES = 15;

/** The driver's environment counts at the start of a process only. */
async function startChild(): Promise<number> {
  const gpu = await gpuEnvironment();
  if ("reason" in gpu) throw new SlimbenchError(gpu.reason.code, gpu.reason.message, { remedy: gpu.reason.remedy });
  const script = fileURLToPath(import.meta.url);
  const env = { ...process.env, ...gpu.env, BENCH_GPU_ADAPTER: gpu.adapter };
  const child = spawn(process.execPath, [...process.execArgv, script, ...process.argv.slice(2)], { env, stdio: "inherit" });
  return new Promise((resolve) => child.once("close", (code) => resolve(code ?? 1)));
}

async function measureCeilings(context: EngineContext): Promise<readonly Ceiling[]> {
  const peaks = (await webgpuEngine.peaks?.(context, {})) ?? [];
  const raced = [];
  for (const { type, name, operations, ms, dispose } of peaks) {
    const samples: number[] = [];
    for (let i = 0; i < CEILING_SAMPLES; i++) samples.push(await ms());
    dispose?.();
    raced.push({ type, name, operations, samples, calls: 1 });
  }
  return ceilingsOf(raced);
}

async function measureCase(one: GpuCase, folder: string, context: EngineContext): Promise<Measured> {
  const planned = { name: shapeLabel(parseShapeText(one.shape)), path: one.shape, shapes: new Map<string, readonly number[]>() };
  const pair = await preparePair(await prepareModel(planned, folder), parseRecipe(one.recipe), { folder, seed: 1, paritySamples: 1 });
  const layer = pair.graph.nodes.find(({ name }) => name.startsWith(LAYER));
  if (layer === undefined) throw new Error(`internal: ${one.shape} has no layer`);
  const elements = [0, 1, 2].map((i) => elementCount(inputTensor(pair.graph, layer, i)?.shape ?? [0]));
  const output = outputTensor(pair.graph, layer).shape;
  const macs = pair.compute.macs ?? 0;
  // Written by im2col and read by the product: pixels × window.
  const patches = one.group === "conv" ? macs / (output.at(-1) ?? 1) : undefined;
  const shared = await acquireDevice(context.gpu);
  try {
    return {
      ...one,
      macs,
      bytes: 4 * (elements.reduce((a, b) => a + b, 0) + elementCount(output)),
      ...(patches === undefined ? {} : { patchBytes: 2 * 4 * patches }),
      kernels: await measureLayer(pair, shared, context),
    };
  } finally {
    shared.release();
  }
}

function layerTable(rows: readonly Measured[], ceilings: readonly Ceiling[]): string {
  const cells = rows.flatMap(({ shape, recipe, macs, kernels }) =>
    kernels.map(({ kernel, kind, ms, problem }) => {
      const giga = ms === undefined ? undefined : (2 * macs) / ms / 1e6;
      const ceiling = ceilings.find(({ type }) => type === (kernel.startsWith("i8") ? "int8" : "float32"))?.giga;
      const share = giga === undefined || ceiling === undefined ? ABSENT : `${((100 * giga) / ceiling).toFixed(0)} %`;
      const time = ms === undefined ? (problem ?? ABSENT) : significant(ms);
      return [shapeLabel(parseShapeText(shape)), recipe, kind, kernel, time, giga === undefined ? ABSENT : significant(giga), share];
    }),
  );
  const heads = [
    ["layer", "left"],
    ["recipe", "left"],
    ["kind", "left"],
    ["kernel", "left"],
    ["ms", "right"],
    ["G/s", "right"],
    ["of ceiling", "right"],
  ] as const;
  return drawTable(heads, [...cells, []], false);
}

function targetTable(targets: readonly Target[]): string {
  const heads = [
    ["layer", "left"],
    ["recipe", "left"],
    ["what", "left"],
    ["measured", "right"],
    ["target", "right"],
    ["", "left"],
  ] as const;
  const cells = targets.map(({ shape, recipe, what, value, atLeast, met }) => [
    shapeLabel(parseShapeText(shape)),
    recipe,
    what,
    value.toFixed(2),
    `≥ ${atLeast.toFixed(2)}`,
    met ? "met" : "not met",
  ]);
  return drawTable(heads, [...cells, ["", "", "met", `${targets.filter(({ met }) => met).length} of ${targets.length}`]], false);
}

async function measureAll(adapter: string, out: string | undefined, filter: string): Promise<void> {
  const gpu = await openNodeGpu();
  const context: EngineContext = {
    readAsset: (path) => readFile(new URL(`../${path}`, import.meta.url)),
    now: () => performance.now(),
    gpu,
  };
  const probe = await webgpuEngine.probe(context, {});
  const software = probe.software === true;
  console.log(`${adapter}${software ? ": a software GPU. Small shapes; its numbers say nothing about hardware" : ""}`);
  // Held to the end, so that pipelines are compiled once.
  const shared = await acquireDevice(gpu);
  const folder = await mkdtemp(join(tmpdir(), "slimbench-"));
  try {
    const ceilings = await measureCeilings(context);
    for (const { name, type, giga } of ceilings) console.log(`ceiling: ${significant(giga)} ${type === "copy" ? "GB/s" : "G/s"} (${name})`);
    const rows: Measured[] = [];
    const cases = gpuCases(software).filter(({ shape, recipe }) => `${shape} ${recipe}`.includes(filter));
    for (const [i, one] of cases.entries()) {
      process.stderr.write(`${i + 1}/${cases.length} ${one.shape} ${one.recipe}\n`);
      rows.push(await measureCase(one, folder, context));
    }
    const targets = judgeTargets(rows, ceilings);
    const file =
      out ??
      `results/gpu-${adapter
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "-")
        .replace(/^-|-$/g, "")}.json`;
    const environment = readEnvironment(new Map([["webgpu", probe]]));
    const result = {
      schema: "slimbench/gpu@1",
      createdAt: new Date().toISOString(),
      adapter,
      software,
      environment,
      ceilings,
      rows,
      targets,
    };
    writeFileAtomic(file, new TextEncoder().encode(`${JSON.stringify(result, null, 2)}\n`), "--out");
    console.log(layerTable(rows, ceilings));
    console.log(targetTable(targets));
    console.log(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
    shared.release();
  }
}

const { values } = parseArgs({ options: { out: { type: "string" }, filter: { type: "string", default: "" } } });
const adapter = process.env["BENCH_GPU_ADAPTER"];
if (adapter === undefined) process.exit(await startChild());
await measureAll(adapter, values.out, values.filter);
// Dawn may keep Node alive.
process.exit(0);
