/**
 * Whole nets that no model file stands for, measured as `bench` measures (several processes, in turn):
 * - MobileNetV1 0.25 96 with 80 % of the 1×8 blocks of its 1×1 convolutions zero, against itself dense: what skipping zeros gains end to end;
 * - chains of 10 and 30 layers that compute next to nothing: what an inference costs beyond its kernels.
 * `npx tsx tools/bench-nets.ts [--target T…] [--processes N] [--preset P]`; needs `npm run build`.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { exportOnnx } from "../src/formats/onnx/export.ts";
import { GraphBuilder } from "../src/graph/builder.ts";
import type { Graph } from "../src/graph/ir.ts";
import { makePlan } from "../src/harness/plan.ts";
import { PRESETS } from "../src/harness/presets.ts";
import { silentReporter } from "../src/harness/progress.ts";
import { runPlan } from "../src/harness/run.ts";
import type { Latency, ResultRecord } from "../src/results/schema.ts";
import { ratioOfProcesses } from "../src/stats/processes.ts";
import { mobilenetV1 } from "./peers/architectures.ts";

const SPARSE = "prune:0.8,block=1x8";
const [SHORT, LONG] = [10, 30] as const;
const SILENCE_MS = 120_000;

/** Dense layers of 8 × 8: some 20 ns each. */
function tiny(layers: number): Graph {
  const builder = new GraphBuilder(`tiny${layers}`);
  let last = builder.input("x", "float32", [1, 8]);
  for (let i = 0; i < layers; i++) {
    const weights = builder.constant(`w${i}`, "float32", [8, 8], new Float32Array(64).fill(0.1 + i / 1000));
    last = builder.add("Dense", `dense${i}`, [last, weights], {});
  }
  return builder.finish([last]);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      target: { type: "string", multiple: true, default: ["wasm"] },
      processes: { type: "string" },
      preset: { type: "string", default: "normal" },
    },
  });
  const preset = PRESETS.find((name) => name === values.preset);
  if (preset === undefined) throw new Error(`--preset ${values.preset}: expected one of ${PRESETS.join(", ")}`);
  const folder = await mkdtemp(join(tmpdir(), "slimbench-nets-"));
  try {
    const write = async (name: string, graph: Graph): Promise<string> => {
      const path = join(folder, `${name}.onnx`);
      await writeFile(path, exportOnnx(graph));
      return path;
    };
    const measure = async (models: readonly string[], recipes: readonly string[]): Promise<readonly ResultRecord[]> => {
      const plan = makePlan({
        models,
        recipes,
        targets: values.target,
        preset,
        seed: 1,
        tune: "cached",
        ...(values.processes === undefined ? {} : { processes: Number(values.processes) }),
      });
      const reporter = { ...silentReporter, note: (line: string) => console.error(line) };
      return (await runPlan(plan, { reporter, silenceMs: SILENCE_MS, signal: new AbortController().signal })).result.records;
    };
    const chains = await measure([await write("tiny10", tiny(SHORT)), await write("tiny30", tiny(LONG))], ["fp32"]);
    const nets = await measure([await write("mobilenet_v1", mobilenetV1())], ["fp32", SPARSE]);
    for (const target of values.target) {
      console.log(target);
      printChains(latencyOf(chains, "tiny10", "fp32", target), latencyOf(chains, "tiny30", "fp32", target));
      printSparse(latencyOf(nets, "mobilenet_v1", "fp32", target), latencyOf(nets, "mobilenet_v1", SPARSE, target));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function latencyOf(records: readonly ResultRecord[], model: string, recipe: string, target: string): Latency {
  const record = records.find((one) => one.model === model && one.recipe === recipe && one.target === target);
  if (record?.status === "ok") return record.latencyMs;
  throw new Error(`${model} ${recipe} ${target}: ${record?.reason.message ?? "was not measured"}`);
}

function printChains(short: Latency, long: Latency): void {
  const [a, b] = [short.median * 1000, long.median * 1000];
  const layer = (b - a) / (LONG - SHORT);
  console.log(
    `  ${LONG} tiny layers: ${microseconds(long)}; each ${layer.toFixed(3)} µs, and ${(a - SHORT * layer).toFixed(2)} µs an inference`,
  );
}

function printSparse(dense: Latency, sparse: Latency): void {
  const between = ratioOfProcesses(sparse.processes ?? [], dense.processes ?? []);
  const interval = between === undefined ? "" : ` (${between.ci95.map((ratio) => ratio.toFixed(2)).join(" to ")})`;
  const ratio = `${(dense.median / sparse.median).toFixed(2)}×${interval}`;
  console.log(`  MobileNetV1 0.25 96, ${SPARSE}: dense ${microseconds(dense)}, sparse ${microseconds(sparse)}: ${ratio} as fast`);
}

function microseconds({ median, ci95 }: Latency): string {
  const text = (ms: number): string => (ms * 1000).toPrecision(4);
  return `${text(median)} µs${ci95 === undefined ? "" : ` (${ci95.map(text).join(" to ")})`}`;
}

await main();
