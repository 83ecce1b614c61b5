/**
 * What threads gain: whole inferences with one thread and with several, in turns within one process, so that whatever else runs on the
 * machine slows both; and the sums of each node's best time, which a busy machine disturbs least. The limit is what the machine itself gives:
 * how much two processes compute side by side, each with one thread and nothing to share, compared with one of them alone.
 * `npx tsx tools/bench-threads.ts [THREADS] [FILTER] [ROUNDS]`; needs `npm run build`, since threads run the built entry.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { EngineContext, Session } from "../src/engines/engine.ts";
import { wasmEngine } from "../src/engines/wasm/index.ts";
import { GraphBuilder } from "../src/graph/builder.ts";
import { createArray, elementCount } from "../src/graph/dtype.ts";
import type { TypedArray } from "../src/graph/dtype.ts";
import type { Graph, Quantization } from "../src/graph/ir.ts";
import { nodeThreads } from "../src/hosts/node-threads.ts";
import { median } from "../src/stats/describe.ts";
import { dsCnn, gemm, mobilenetV1, mobilenetV2, resnet8 } from "./peers/architectures.ts";

const context: EngineContext = {
  readAsset: (path) => readFile(new URL(`../${path}`, import.meta.url)),
  now: () => performance.now(),
  threads: nodeThreads(),
};

function gemmInt8(m: number, n: number, k: number): Graph {
  const grid = (zeroPoint: number): Quantization => ({ scales: Float32Array.of(0.05), zeroPoints: Int32Array.of(zeroPoint) });
  const builder = new GraphBuilder(`gemm-int8-${m}x${n}x${k}`);
  builder.input("a", "int8", [m, k], grid(3));
  const data = Int8Array.from({ length: n * k }, (_, i) => ((i * 37) % 255) - 127);
  builder.constant("b", "int8", [n, k], data, { quant: grid(0) });
  return builder.finish([builder.add("Dense", "gemm", ["a", "b"], {}, { dtype: "int8", quant: grid(3) })]);
}

function inputsOf(graph: Graph): readonly TypedArray[] {
  return graph.inputs.map((name) => {
    const { dtype, shape } = graph.tensors.get(name)!;
    const data = createArray(dtype, elementCount(shape));
    for (let i = 0; i < data.length; i++) data[i] = dtype === "float32" ? ((i * 37) % 101) / 101 - 0.5 : ((i * 37) % 255) - 127;
    return data;
  });
}

/** Microseconds of one inference, from enough of them for the clock; into the same arrays every time, as the harness measures. */
async function time(session: Session, inputs: readonly TypedArray[], calls: number): Promise<number> {
  const outputs = await session.run(inputs);
  const start = performance.now();
  for (let i = 0; i < calls; i++) await session.run(inputs, outputs);
  return ((performance.now() - start) / calls) * 1000;
}

/** Lowers the least time of each node, in microseconds. */
async function lower(least: Map<string, number>, session: Session, inputs: readonly TypedArray[]): Promise<void> {
  for (const { node, ms } of await session.profile(inputs)) least.set(node, Math.min(least.get(node) ?? Infinity, ms * 1000));
}

/** Layers that compute next to nothing: what an inference costs beyond its kernels. */
function tiny(): Graph {
  const builder = new GraphBuilder("30-tiny-layers");
  let last = builder.input("x", "float32", [1, 8]);
  builder.constant("w", "float32", [8, 8], new Float32Array(64).fill(0.1));
  for (let i = 0; i < 30; i++) last = builder.add("Dense", `dense${i}`, [last, "w"], {});
  return builder.finish([last]);
}

const MODELS: readonly (() => Graph)[] = [
  tiny,
  () => gemm(256, 256, 256),
  () => gemm(512, 512, 512),
  () => gemm(1, 1024, 1024),
  () => gemmInt8(512, 512, 512),
  dsCnn,
  resnet8,
  mobilenetV1,
  mobilenetV2,
];

/** A process that computes the same model with one thread while it is told to. */
class Twin {
  readonly #child: ChildProcess;

  constructor(model: string) {
    this.#child = fork(process.argv[1]!, [TWIN, model], { execArgv: process.execArgv });
  }

  async tell(word: "go" | "stop"): Promise<void> {
    const answer = once(this.#child, "message");
    this.#child.send(word);
    await answer;
  }

  end(): void {
    this.#child.kill();
  }
}

async function beTwin(model: string): Promise<void> {
  const graph = MODELS.map((build) => build()).find(({ name }) => name === model)!;
  const inputs = inputsOf(graph);
  const session = await wasmEngine.compile(graph, context, {});
  const calls = Math.max(1, Math.ceil(500 / (await time(session, inputs, 1))));
  let isGoing = false;
  const round = async (): Promise<void> => {
    await time(session, inputs, calls);
    // Only between turns of the event loop are messages heard.
    if (isGoing) setImmediate(() => void round());
  };
  process.on("message", (word) => {
    const starts = word === "go" && !isGoing;
    isGoing = word === "go";
    process.send!("heard");
    if (starts) void round();
  });
}

const TWIN = "--twin";
if (process.argv[2] === TWIN) await beTwin(process.argv[3]!);
else await main();

async function main(): Promise<void> {
  const threads = process.argv[2] ?? "2";
  const filter = process.argv[3] ?? "";
  const rounds = Number(process.argv[4] ?? "60");
  const sum = (values: ReadonlyMap<string, number>): number => [...values.values()].reduce((a, b) => a + b, 0);
  console.log(`Node ${process.version}, V8 ${process.versions.v8}, ${context.threads!.available} cores; µs with 1 and ${threads} threads`);
  console.log("model                         1 thread   threads  medians   bests   nodes' bests   limit");
  for (const build of MODELS) {
    const graph = build();
    if (!graph.name.includes(filter)) continue;
    const inputs = inputsOf(graph);
    const one = await wasmEngine.compile(graph, context, {});
    const many = await wasmEngine.compile(graph, context, { threads });
    const [a, b, beside] = [[], [], []] as [number[], number[], number[]];
    const twin = new Twin(graph.name);
    const least = [new Map<string, number>(), new Map<string, number>()] as const;
    const calls = Math.max(1, Math.ceil(2000 / (await time(one, inputs, 1))));
    // The first third warms up: V8 replaces the code of its baseline compiler while it runs.
    for (let round = -Math.ceil(rounds / 2); round < rounds; round++) {
      const [x, y] = [await time(one, inputs, calls), await time(many, inputs, calls)];
      await twin.tell("go");
      const z = await time(one, inputs, calls);
      await twin.tell("stop");
      // A node takes little enough that both threads have their cores throughout now and then, however busy the machine.
      await lower(least[0], one, inputs);
      await lower(least[1], many, inputs);
      if (round < 0) continue;
      a.push(x);
      b.push(y);
      beside.push(z);
    }
    const shared = many.placement().filter(({ why }) => why?.includes("shared by") === true).length;
    const ratios = [
      median(a) / median(b),
      Math.min(...a) / Math.min(...b),
      sum(least[0]) / sum(least[1]),
      (2 * median(a)) / median(beside),
    ];
    console.log(
      `${graph.name.padEnd(26)} ${median(a).toFixed(1).padStart(11)} ${median(b).toFixed(1).padStart(9)}` +
        `${ratios.map((ratio) => `×${ratio.toFixed(2)}`.padStart(9)).join("")}   ${shared} of ${graph.nodes.length} nodes shared`,
    );
    one.dispose();
    many.dispose();
    twin.end();
  }
}
