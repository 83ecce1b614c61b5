/**
 * Rates of the WASM kernels on this machine, through compiled one-node graphs: `npx tsx tools/bench-wasm.ts [FILTER]`. V8 starts kernels
 * in its baseline compiler and replaces them later, so each is warmed up until its time stops falling; the best of many samples is
 * printed, since whatever else runs on the machine only adds time. `NODE_OPTIONS=--no-liftoff` takes the baseline compiler out.
 */
import { readFile } from "node:fs/promises";
import { wasmEngine } from "../src/engines/wasm/index.ts";
import type { EngineContext } from "../src/engines/engine.ts";
import { decode } from "../src/graph/code.ts";
import type { TypedArray } from "../src/graph/dtype.ts";
import type { Graph, Node, OpAttrs, Quantization, Tensor } from "../src/graph/ir.ts";

const context: EngineContext = {
  readAsset: (path) => readFile(new URL(`../${path}`, import.meta.url)),
  now: () => performance.now(),
};

interface Bench {
  readonly title: string;
  /** Multiply-adds × 2, counting skipped zeros too. */
  readonly ops: number;
  readonly graph: Graph;
  readonly input: TypedArray;
}

type Type = "float32" | "int8";
const GRID: Quantization = { scales: Float32Array.of(0.05), zeroPoints: Int32Array.of(3) };

function values(type: Type, length: number, zeroAt: (i: number) => boolean = () => false): TypedArray {
  const data = type === "float32" ? new Float32Array(length) : new Int8Array(length);
  for (let i = 0; i < length; i++)
    data[i] = zeroAt(i) ? 0 : type === "float32" ? ((i * 37) % 101) / 101 - 0.5 : ((i * 37) % 200) - 100 || 1;
  return data;
}

function graphOf<O extends "Dense" | "Conv2D" | "DepthwiseConv2D">(
  op: O,
  attrs: OpAttrs[O],
  type: Type,
  x: readonly number[],
  w: readonly number[],
  weights: TypedArray,
  out: readonly number[],
): Graph {
  const quant = type === "int8" ? { quant: GRID } : {};
  const tensors = new Map<string, Tensor>([
    ["x", { name: "x", dtype: type, shape: x, ...quant }],
    [
      "w",
      { name: "w", dtype: type, shape: w, data: weights, ...(type === "int8" && { quant: { ...GRID, zeroPoints: Int32Array.of(0) } }) },
    ],
    ["y", { name: "y", dtype: type, shape: out, ...quant }],
  ]);
  const node = { name: "op", op, inputs: ["x", "w"], outputs: ["y"], attrs } as unknown as Node;
  return { name: op, inputs: ["x"], outputs: ["y"], tensors, nodes: [node] };
}

/** @param zeroShare of 1×8 blocks, spread evenly */
function gemm(type: Type, m: number, n: number, k: number, zeroShare = 0): Bench {
  const zeroAt = (i: number): boolean => {
    const block = Math.floor(Math.floor(i / k) / 8) * k + (i % k);
    return ((block * 2654435761) >>> 0) / 2 ** 32 < zeroShare;
  };
  const graph = graphOf("Dense", {}, type, [m, k], [n, k], values(type, n * k, zeroAt), [m, n]);
  const zeros = zeroShare === 0 ? "" : ` ${zeroShare * 100} % zero 1x8 blocks`;
  return { title: `${type} gemm ${m}x${n}x${k}${zeros}`, ops: 2 * m * n * k, graph, input: values(type, m * k) };
}

/** int8 weights of which each output shares 16 values. */
function codebook(m: number, n: number, k: number): Bench {
  const table = Int8Array.from({ length: n * 16 }, (_, i) => ((i * 37) % 255) - 127);
  const code = {
    kind: "int8Codebook",
    values: 16,
    table,
    indices: Uint8Array.from({ length: n * k }, (_, i) => (i * 7 + (i >> 4)) % 16),
  } as const;
  const { graph, ...rest } = gemm("int8", m, n, k);
  const w: Tensor = { ...graph.tensors.get("w")!, data: decode(code, [n, k]), code };
  return { ...rest, title: `int8 codebook ${m}x${n}x${k}`, graph: { ...graph, tensors: new Map(graph.tensors).set("w", w) } };
}

function conv(type: Type, size: number, channels: number, outputs: number, kernel: number, stride: number, depthwise: boolean): Bench {
  const pad = (kernel - 1) >> 1;
  const out = Math.floor((size + 2 * pad - kernel) / stride) + 1;
  const attrs = { strides: [stride, stride], dilations: [1, 1], pads: [pad, pad, pad, pad], groups: 1 } as const;
  const w = depthwise ? [1, kernel, kernel, channels] : [outputs, kernel, kernel, channels];
  const x = [1, size, size, channels];
  const y = [1, out, out, outputs];
  const weights = values(
    type,
    w.reduce((a, b) => a * b, 1),
  );
  const graph = graphOf(depthwise ? "DepthwiseConv2D" : "Conv2D", attrs, type, x, w, weights, y);
  const ops = 2 * out * out * outputs * kernel * kernel * (depthwise ? 1 : channels);
  const title = `${type} ${depthwise ? "depthwise" : "conv"} ${kernel}x${kernel}s${stride} ${size}x${size}x${channels}${depthwise ? "" : `-${outputs}`}`;
  return { title, ops, graph, input: values(type, size * size * channels) };
}

const TYPES: readonly Type[] = ["float32", "int8"];
const BENCHES: readonly Bench[] = [codebook(1, 1024, 1024), codebook(64, 512, 512), ...TYPES.flatMap(layers)];

function layers(type: Type): readonly Bench[] {
  return [
    gemm(type, 256, 256, 256),
    gemm(type, 512, 512, 512),
    gemm(type, 196, 512, 512),
    gemm(type, 3136, 64, 64),
    gemm(type, 1, 1024, 1024),
    gemm(type, 768, 256, 256),
    ...[0.25, 0.5, 0.7, 0.8].map((zeros) => gemm(type, 768, 256, 256, zeros)),
    conv(type, 56, 64, 64, 3, 1, false),
    conv(type, 112, 3, 32, 3, 2, false),
    conv(type, 28, 128, 128, 3, 1, true),
    conv(type, 56, 64, 64, 3, 2, true),
    conv(type, 14, 256, 256, 5, 1, true),
  ];
}

/** Milliseconds of the node alone (no copies in or out): the least of many, after warming up until two windows agree within 3 %. */
async function best({ graph, input }: Bench): Promise<number> {
  const session = await wasmEngine.compile(graph, context, {});
  const window = async (): Promise<number> => {
    let least = Infinity;
    const end = performance.now() + 150;
    while (performance.now() < end) least = Math.min(least, (await session.profile([input]))[0]!.ms);
    return least;
  };
  let before = await window();
  let now = await window();
  for (let i = 0; i < 8 && now < before * 0.97; i++) [before, now] = [now, await window()];
  let least = Math.min(before, now);
  for (let i = 0; i < 3; i++) least = Math.min(least, await window());
  session.dispose();
  return least;
}

const filter = process.argv[2] ?? "";
console.log(`Node ${process.version}, V8 ${process.versions.v8}, NODE_OPTIONS ${process.env["NODE_OPTIONS"] ?? "not set"}`);
for (const bench of BENCHES) {
  if (!bench.title.includes(filter)) continue;
  const ms = await best(bench);
  const kernel = (await wasmEngine.compile(bench.graph, context, {})).placement()[0]!.kernel;
  console.log(`${bench.title.padEnd(46)} ${(bench.ops / ms / 1e6).toFixed(1).padStart(6)} G/s  ${ms.toFixed(4).padStart(9)} ms  ${kernel}`);
}
