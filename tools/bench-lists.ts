/**
 * Sparse kernels of the WASM engine side by side on layers with zeros anywhere, in turn in one process:
 * `npx tsx tools/bench-lists.ts [float32|int8] [PART OF A KERNEL'S NAME]...`. Prints the time of each as a share of the dense tile's.
 */
import { readFile } from "node:fs/promises";
import type { EngineContext } from "../src/engines/engine.ts";
import { race } from "../src/engines/tune/race.ts";
import { wasmEngine } from "../src/engines/wasm/index.ts";
import type { Graph, Quantization, Tensor } from "../src/graph/ir.ts";
import { median } from "../src/stats/describe.ts";

const context: EngineContext = {
  readAsset: (path) => readFile(new URL(`../${path}`, import.meta.url)),
  now: () => performance.now(),
};
const SHAPES: readonly (readonly [m: number, n: number, k: number])[] = [
  [768, 256, 256],
  [3136, 128, 64],
  [192, 512, 512],
  [144, 128, 128],
  [36, 256, 256],
  [9, 256, 256],
];
const ZEROS = [0, 0.5, 0.7, 0.8, 0.9, 0.95];
const SETTINGS = { warmup: { floorMs: 300, windowMs: 60, maxMs: 1500 }, blockMs: 0.5, rounds: 25, limitMs: 2000 };
const GRID: Quantization = { scales: Float32Array.of(0.05), zeroPoints: Int32Array.of(3) };

const [type = "float32", ...parts] = process.argv.slice(2);
if (type !== "float32" && type !== "int8") throw new Error(`expected float32 or int8, got ${type}`);
const names = parts.length === 0 ? ["spmm_csr_24x1", "spmm_delta_24x1"] : parts;
const kernels = names.map((name) => `${type === "float32" ? "f32" : "i8"}_${name}__wasm_simd`);

/** A pseudo-random number in [0, 1) of an index. */
function hash(i: number): number {
  let h = Math.imul(i ^ 0x9e3779b9, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

function layer(m: number, n: number, k: number, zeros: number): Graph {
  const isFloat = type === "float32";
  const data = isFloat ? new Float32Array(n * k) : new Int8Array(n * k);
  for (let i = 0; i < data.length; i++) data[i] = hash(i) < zeros ? 0 : isFloat ? hash(i + 7) - 0.5 : Math.round(hash(i + 7) * 126) + 1;
  const quant = isFloat ? {} : { quant: GRID };
  const symmetric = isFloat ? {} : { quant: { ...GRID, zeroPoints: Int32Array.of(0) } };
  const tensors = new Map<string, Tensor>([
    ["x", { name: "x", dtype: type as "float32" | "int8", shape: [m, k], ...quant }],
    ["w", { name: "w", dtype: type as "float32" | "int8", shape: [n, k], data, ...symmetric }],
    ["y", { name: "y", dtype: type as "float32" | "int8", shape: [m, n], ...quant }],
  ]);
  return {
    name: "layer",
    inputs: ["x"],
    outputs: ["y"],
    tensors,
    nodes: [{ name: "op", op: "Dense", inputs: ["x", "w"], outputs: ["y"], attrs: {} }],
  };
}

console.log(`Node ${process.version}, V8 ${process.versions.v8}; time as a share of the dense tile's`);
console.log(`${"layer".padEnd(14)} zeros  ${names.map((name) => name.padStart(18)).join("")}      dense`);
for (const [m, n, k] of SHAPES) {
  const x =
    type === "float32"
      ? Float32Array.from({ length: m * k }, (_, i) => hash(i) - 0.5)
      : Int8Array.from({ length: m * k }, (_, i) => hash(i) * 255 - 128);
  const dense = await wasmEngine.compile(layer(m, n, k, 0), context, { sparse: "off" });
  for (const zeros of ZEROS) {
    const graph = layer(m, n, k, zeros);
    const sessions = new Map([["dense", dense]]);
    for (const kernel of kernels) sessions.set(kernel, await wasmEngine.compile(graph, context, { kernel, sparse: "on" }));
    const racers = [...sessions].map(([name, session]) => ({ name, call: async () => (await session.profile([x]))[0]!.ms }));
    const { samples } = await race(racers, SETTINGS, () => performance.now());
    const base = samples.get("dense")!;
    const ratios = kernels.map((kernel) => median(samples.get(kernel)!.map((ms, i) => ms / base[i]!)));
    const rate = ((2 * m * n * k) / median(base) / 1e6).toFixed(1);
    console.log(
      `${`${m}x${n}x${k}`.padEnd(14)} ${`${zeros * 100} %`.padStart(5)}  ${ratios.map((ratio) => ratio.toFixed(3).padStart(18)).join("")}  ${rate} G/s`,
    );
    for (const [name, session] of sessions) if (name !== "dense") session.dispose();
  }
  dense.dispose();
}
