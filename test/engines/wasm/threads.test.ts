/** Threads: the same results to the bit, however calls are split and whoever makes which piece; clear failures; nothing left behind. */
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import type { Engine, EngineContext, ThreadHost } from "../../../src/engines/engine.ts";
import { NO_FEATURES } from "../../../src/engines/wasm/features.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { MODULE_PATH, SCALAR_MODULE_PATH, loadModules } from "../../../src/engines/wasm/module.ts";
import type { KernelCall, Selection } from "../../../src/engines/wasm/program.ts";
import { WasmSession } from "../../../src/engines/wasm/session.ts";
import { cut, shareAmong } from "../../../src/engines/wasm/threads/schedule.ts";
import type { Sharing } from "../../../src/engines/wasm/threads/schedule.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { Graph } from "../../../src/graph/ir.ts";
import { nodeThreads } from "../../../src/hosts/node-threads.ts";
import { FLOAT_MODELS, INT16_MODELS, INT8_MODELS, KEYWORDS, RESNET8, noiseFor } from "../models.ts";
import { describeVectors, prepareCase } from "../vectors.ts";
import { convCase } from "./cases.ts";
import { context } from "./context.ts";

const SELECTION: Selection = { features: NO_FEATURES, simd: true, sparse: "auto", coded: "auto", chosen: new Map() };

/** Threads that start and never do anything: the main one makes every piece. */
const idle: ThreadHost = { available: 1, start: () => Promise.resolve({ terminate: () => undefined }) };

const splitKernels = new Set<string>();
const SHARED_KERNELS = [
  "any_copy_rows__wasm_simd",
  "any_copy_strided__wasm_simd",
  "any_fill_bytes__wasm_simd",
  "any_gather_rows__wasm_simd",
  "any_pad_rows__wasm_simd",
  "any_transpose_4x4__wasm_simd",
  "f32_binary_broadcast_1x4__wasm_simd",
  "f32_conv_indirect_4x8__wasm_simd",
  "f32_depthwise_direct_1x1__wasm_simd",
  "f32_depthwise_w3s1_1x4__wasm_simd",
  "f32_depthwise_w3s2_1x3__wasm_simd",
  "f32_depthwise_w5s2_1x2__wasm_simd",
  "f32_gemm_packed_4x8__wasm_simd",
  "f32_gemv_packed_1x24__wasm_simd",
  "f32_pack_panels__wasm_simd",
  "f32_pool_direct_1x4__wasm_simd",
  "f32_reduce_middle_1x4__wasm_simd",
  "f32_resize_linear_1x4__wasm_simd",
  "f32_softmax_rows_1x4__wasm_simd",
  "f32_spmm_1x8_4x8__wasm_simd",
  "i8_binary_broadcast_1x8__wasm_simd",
  "i8_conv_pairs_4x8__wasm_simd",
  "i8_depthwise_direct_1x1__wasm_simd",
  "i8_depthwise_w3s1_1x4__wasm_simd",
  "i8_depthwise_w3s2_1x4__wasm_simd",
  "i8_depthwise_w5s2_1x4__wasm_simd",
  "i8_gemm_pairs_4x8__wasm_simd",
  "i8_pool_direct_1x8__wasm_simd",
  "i8_softmax_rows_1x1__wasm_simd",
  "i8_spmm_1x8_4x8__wasm_simd",
  "i8_table_map_1x8__wasm_simd",
  "i8_widen_rows__wasm_simd",
  "f32_unary_map_1x4__wasm_simd",
  "any_pad_rows__wasm_scalar",
  "f32_conv_indirect_2x4__wasm_scalar",
  "f32_depthwise_direct_4x1__wasm_scalar",
  "f64_widen_rows__wasm_scalar",
  "i8_conv_doubles_2x8__wasm_scalar",
  "i8_conv_fixed_2x8__wasm_scalar",
  "i8_depthwise_direct_4x1__wasm_scalar",
  "i8_depthwise_fixed_4x1__wasm_scalar",
  "i8_unsign_rows__wasm_scalar",
];

/** Splits everything that can be split into up to `pieces` pieces; `reversed`: the last first, so that no piece may count on an earlier one. */
function splitAll(threads: number, pieces: number, reversed: boolean): Sharing {
  const split = (call: KernelCall): readonly KernelCall[] | undefined => {
    const parts = cut(call, Math.min(pieces, call.split?.units ?? 1));
    if (parts !== undefined) splitKernels.add(call.kernel);
    return reversed ? parts?.toReversed() : parts;
  };
  return { threads, maxPieces: pieces, pieces: split };
}

/** @param host idle threads by default */
async function open(graph: Graph, sharing: Sharing, host: ThreadHost = idle, simd = true): Promise<WasmSession> {
  // Layers in fixed point have scalar kernels only.
  const modules = await loadModules(context, simd ? [MODULE_PATH, SCALAR_MODULE_PATH] : [SCALAR_MODULE_PATH], "shared");
  const session = new WasmSession(graph, modules, context.now, { ...SELECTION, simd }, sharing);
  await session.startThreads(host);
  return session;
}

function engineThatSplits(sharing: Sharing, simd: boolean): Engine {
  return { ...wasmEngine, compile: (graph) => open(graph, sharing, idle, simd) };
}

describeVectors("wasm, calls in pieces, last first", engineThatSplits(splitAll(3, 64, true), true), context);
describeVectors("wasm:simd=off, calls in pieces, last first", engineThatSplits(splitAll(3, 64, true), false), context);

/** Ops whose cases among the vectors are too small for some of their cuts. */
const MOVES: readonly (readonly [name: string, build: (b: GraphBuilder) => string])[] = [
  ["a transposition", (b) => b.add("Transpose", "t", [b.input("x", "float32", [37, 131])], { perm: [1, 0] })],
  ["a batch of transpositions", (b) => b.add("Transpose", "t", [b.input("x", "float32", [3, 19, 23])], { perm: [0, 2, 1] })],
  ["a sum of rows", (b) => b.add("Reduce", "r", [b.input("x", "float32", [1, 9, 33])], { fn: "sum", axes: [1], keepDims: false })],
  ["a maximum of each row", (b) => b.add("Reduce", "r", [b.input("x", "float32", [13, 31])], { fn: "max", axes: [1], keepDims: false })],
  [
    "a border",
    (b) => b.add("Pad", "p", [b.input("x", "float32", [13, 17])], { before: [2, 1], after: [3, 4], mode: "constant", value: 0 }),
  ],
  [
    "a product of two activations",
    (b) =>
      b.add("MatMul", "m", [b.input("x", "float32", [37, 11]), b.input("y", "float32", [11, 29])], {
        transposeA: false,
        transposeB: false,
      }),
  ],
  [
    "a product of two transposed activations",
    (b) => {
      const inputs = [b.input("x", "float32", [11, 37]), b.input("y", "float32", [29, 11])];
      return b.add("MatMul", "m", inputs, { transposeA: true, transposeB: true });
    },
  ],
  [
    "a pool of the whole image",
    (b) => {
      const attrs = {
        kernel: [5, 6],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [0, 0, 0, 0],
        ceilMode: false,
        countIncludePad: false,
      } as const;
      return b.add("AveragePool2D", "p", [b.input("x", "float32", [1, 5, 6, 133])], attrs);
    },
  ],
];

it.each(MOVES)("gives the results of one thread in pieces: %s", async (_, build) => {
  const b = new GraphBuilder("moves");
  const graph = b.finish([build(b)]);
  const inputs = noiseFor(graph, 11);
  const one = await wasmEngine.compile(graph, context, { relaxed: "off" });
  for (const pieces of [2, 5, 64]) {
    const many = await open(graph, splitAll(2, pieces, true));
    expect(many.placement()[0]!.why).toMatch(/shared/);
    expect(await many.run(inputs)).toEqual(await one.run(inputs));
  }
});

it("leaves few kernels whole", () => {
  // The vectors have gone through each of these in pieces.
  expect([...splitKernels].sort()).toEqual(expect.arrayContaining(SHARED_KERNELS));
});

/** One large layer: M and N beyond tiles by one or a prime. */
function product(m: number, n: number, k: number): Graph {
  const b = new GraphBuilder("product");
  b.input("x", "float32", [m, k]);
  b.constant(
    "w",
    "float32",
    [n, k],
    Float32Array.from({ length: n * k }, (_, i) => Math.sin(i)),
  );
  return b.finish([b.add("Dense", "fc", ["x", "w"], {})]);
}

describe("wasm threads", () => {
  const models = [...FLOAT_MODELS, ...INT8_MODELS, ...INT16_MODELS];
  it.each(models.map((model) => [model.name, model] as const))("give the results of one thread, to the bit: %s", async (_, { load }) => {
    const graph = await load();
    const one = await wasmEngine.compile(graph, context, {});
    const inputs = [1, 2, 1].map((seed) => noiseFor(graph, seed));
    const want = [];
    for (const input of inputs) want.push(await one.run(input));
    for (const threads of ["2", "3"]) {
      const many = await wasmEngine.compile(graph, context, { threads });
      for (const [i, input] of inputs.entries()) expect(await many.run(input), `threads=${threads}, run ${i}`).toEqual(want[i]);
      many.dispose();
    }
    one.dispose();
  });

  it.each([
    [1, 1009, 64],
    [5, 7, 3],
    [13, 65, 129],
    [129, 33, 17],
    [1021, 9, 31],
  ])("give the results of one thread for a product of %i × %i × %i, all of it split", async (m, n, k) => {
    const graph = product(m, n, k);
    const input = noiseFor(graph, 3);
    const one = await wasmEngine.compile(graph, context, { relaxed: "off" });
    const want = await one.run(input);
    for (const threads of [2, 3, 5]) {
      const many = await open(graph, splitAll(threads, 4 * threads, false), nodeThreads());
      for (let run = 0; run < 20; run++) expect(await many.run(input)).toEqual(want);
      many.dispose();
    }
  });

  it.each([
    ["float32", 131],
    ["int8", 517],
  ] as const)("give the results of one thread for a depthwise layer split by channels: %s", async (kind, channels) => {
    const layer = convCase("DepthwiseConv2D", {
      kind,
      seed: 7,
      input: [1, 6, 5, channels],
      outputs: channels,
      kernel: [3, 3],
      pads: [1, 1, 1, 1],
    });
    const { graph, inputs } = prepareCase(layer);
    const one = await wasmEngine.compile(graph, context, { relaxed: "off" });
    const many = await open(graph, splitAll(2, 7, true));
    expect(many.placement()[0]!.why).toMatch(/shared/);
    expect(await many.run(inputs)).toEqual(await one.run(inputs));
  });

  it("give other results when a piece is missing", async () => {
    const graph = product(16, 16, 16);
    const all = splitAll(2, 4, false);
    const some: Sharing = { ...all, pieces: (call) => all.pieces(call)?.slice(1) };
    const [good, bad] = [await open(graph, all), await open(graph, some)];
    const inputs = noiseFor(graph, 1);
    expect(await bad.run(inputs)).not.toEqual(await good.run(inputs));
  });

  it("share calls that are worth it, and no others", async () => {
    const reasons = async (graph: Graph): Promise<readonly (string | undefined)[]> => {
      const session = await wasmEngine.compile(graph, context, { threads: "2" });
      session.dispose();
      return session.placement().map(({ why }) => why);
    };
    expect((await reasons(product(256, 256, 256)))[0]).toMatch(/; shared by 2 threads$/);
    expect((await reasons(product(8, 8, 8)))[0]).not.toMatch(/shared/);
  });

  it("are not started where nothing is shared", async () => {
    const host: ThreadHost = { available: 1, start: () => Promise.reject(new Error("started")) };
    const session = await wasmEngine.compile(product(8, 8, 8), { ...context, threads: host }, { threads: "2" });
    expect((await session.run([new Float32Array(64)]))[0]).toHaveLength(64);
  });

  it("keep memory, placement and profile", async () => {
    const graph = await RESNET8.load();
    const [one, many] = [await wasmEngine.compile(graph, context, {}), await wasmEngine.compile(graph, context, { threads: "2" })];
    expect(many.memory().weights).toBe(one.memory().weights);
    expect(many.memory().wasm).toBeGreaterThanOrEqual(many.memory().weights + many.memory().activationsPeak);
    expect(many.placement().map(({ kernel }) => kernel)).toEqual(one.placement().map(({ kernel }) => kernel));
    const profile = await many.profile(noiseFor(graph, 1));
    expect(profile.flatMap(({ node, fused = [] }) => [node, ...fused]).sort()).toEqual(graph.nodes.map(({ name }) => name).sort());
    many.dispose();
  });

  it("run nodes without a kernel on the main one", async () => {
    const b = new GraphBuilder("mixed");
    b.input("x", "float32", [64, 64]);
    b.constant(
      "w",
      "float32",
      [512, 64],
      Float32Array.from({ length: 512 * 64 }, (_, i) => Math.cos(i)),
    );
    const erf = b.add("Unary", "erf", ["x"], { fn: "erf" });
    const graph = b.finish([b.add("Dense", "fc", [erf, "w"], {})]);
    const [one, many] = [await wasmEngine.compile(graph, context, {}), await wasmEngine.compile(graph, context, { threads: "2" })];
    expect(many.placement()[0]).toMatchObject({ node: "erf", engine: "cpu" });
    expect(await many.run(noiseFor(graph, 4))).toEqual(await one.run(noiseFor(graph, 4)));
    many.dispose();
  });

  it("are facts of the probe, with the cores that there are", async () => {
    const { available } = nodeThreads();
    expect(await wasmEngine.probe(context, { threads: String(available + 1) })).toMatchObject({
      available: true,
      facts: { threads: available + 1, cores: available },
    });
  });
});

describe("wasm threads that fail", () => {
  const misbehave = new URL("../../hosts/children/thread.mjs", import.meta.url);
  const behaving = (how: string): ThreadHost => {
    const host = nodeThreads(misbehave);
    return { ...host, start: (data, onEnd) => host.start({ ...(data as object), how }, onEnd) };
  };

  it.each([
    ["exit", "exit code 7"],
    ["throw", "Error: out of order"],
  ])("end a run by %s: it rejects, and so does every later one", async (how, reason) => {
    const session = await open(product(64, 64, 64), splitAll(2, 8, false), behaving(how));
    const inputs = noiseFor(product(64, 64, 64), 1);
    const run = async (): Promise<unknown> => {
      // The main thread may be faster with all the work than the other with its first piece.
      for (let i = 0; i < 10_000; i++) await session.run(inputs);
      return undefined;
    };
    await expect(run()).rejects.toMatchObject({
      code: "thread-failed",
      exitCode: 4,
      message: `target wasm: thread 1 of 2 ended: ${reason}`,
    });
    await expect(session.run(inputs)).rejects.toMatchObject({ code: "thread-failed" });
    session.dispose();
  });

  it("are waited for when they are only slow", async () => {
    const graph = product(64, 64, 64);
    const session = await open(graph, splitAll(2, 2, false), behaving("slow"));
    const inputs = noiseFor(graph, 1);
    const one = await wasmEngine.compile(graph, context, { relaxed: "off" });
    const want = await one.run(inputs);
    for (let i = 0; i < 5; i++) expect(await session.run(inputs)).toEqual(want);
    session.dispose();
  });

  it("make compile fail when they do not start", async () => {
    const missing = { ...context, threads: nodeThreads(new URL("missing.mjs", misbehave)) };
    await expect(wasmEngine.compile(product(256, 256, 256), missing, { threads: "2" })).rejects.toMatchObject({
      name: "UnavailableError",
      code: "threads-failed",
    });
  });
});

describe("hosts without threads", () => {
  const page = globalThis as { crossOriginIsolated?: boolean };
  afterEach(() => delete page.crossOriginIsolated);

  it.each([
    ["starts none", context.readAsset, undefined, "no-threads", "Use threads=1."],
    ["is not isolated", context.readAsset, false, "not-isolated", "Cross-Origin-Opener-Policy"],
  ])("are unavailable with threads: one that %s", async (_, readAsset, isolated, code, remedy) => {
    if (isolated !== undefined) page.crossOriginIsolated = isolated;
    const host: EngineContext = { readAsset, now: context.now, ...(isolated === false && { threads: context.threads! }) };
    const probe = await wasmEngine.probe(host, { threads: "2" });
    expect(probe).toMatchObject({ available: false, reason: { code } });
    expect(probe.reason?.remedy).toContain(remedy);
    await expect(wasmEngine.compile(product(8, 8, 8), host, { threads: "2" })).rejects.toMatchObject({ code });
    expect(await wasmEngine.probe(host, {})).toMatchObject({ available: true, facts: { threads: 1 } });
  });
});

describe("sharing", () => {
  const call = (units: number, cost: number): KernelCall => ({
    kernel: "k",
    args: [],
    split: { units, cost, part: (from, to) => [from, to] },
  });
  const sizes = (threads: number, units: number, cost: number): number[] | undefined =>
    shareAmong(threads)
      .pieces(call(units, cost))
      ?.map(({ args: [from = 0, to = 0] }) => to - from);

  it("cuts into pieces that cover every unit once", () => {
    for (const threads of [2, 3, 7]) {
      for (const units of [2, 3, 5, 16, 17, 1009]) {
        const pieces = shareAmong(threads).pieces(call(units, 1e6))!;
        expect(pieces.map(({ args }) => args[0])).toEqual([0, ...pieces.slice(0, -1).map(({ args }) => args[1])]);
        expect(pieces.at(-1)!.args[1]).toBe(units);
        expect(pieces.length).toBeLessThanOrEqual(shareAmong(threads).maxPieces);
        if (units >= threads) expect(pieces.length % threads).toBe(0);
      }
    }
  });

  it("leaves small and indivisible calls whole", () => {
    expect(sizes(2, 100, 9)).toBeUndefined();
    expect(sizes(2, 1, 1e6)).toBeUndefined();
    expect(sizes(1, 100, 1e6)).toBeUndefined();
    expect(shareAmong(2).pieces({ kernel: "k", args: [] })).toBeUndefined();
    expect(sizes(2, 8, 1e6)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  });
});

describe("processes", () => {
  const script = (dispose: boolean): string => `
    import { readFile } from "node:fs/promises";
    import { wasmEngine } from "./dist/engines/wasm/index.js";
    import { GraphBuilder } from "./dist/graph/builder.js";
    import { nodeThreads } from "./dist/hosts/node-threads.js";
    const b = new GraphBuilder("g");
    b.input("x", "float32", [256, 256]);
    b.constant("w", "float32", [256, 256], new Float32Array(65536).fill(1));
    const graph = b.finish([b.add("Dense", "fc", ["x", "w"], {})]);
    const context = { readAsset: (path) => readFile(path), now: () => performance.now(), threads: nodeThreads() };
    const session = await wasmEngine.compile(graph, context, { threads: "2" });
    const [y] = await session.run([new Float32Array(65536)]);
    ${dispose ? "session.dispose();" : ""}
    console.log(y.length, session.placement()[0].why);
  `;

  it.each([true, false])("end with a session of threads, disposed of: %s", async (dispose) => {
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script(dispose)], {
      cwd: new URL("../../..", import.meta.url),
      timeout: 60_000,
    });
    expect(stdout.trim()).toMatch(/^65536 dense weights.*; shared by 2 threads$/);
  });
});

describe.skipIf(process.platform !== "linux")("disposed sessions", () => {
  const tasks = (): number => readdirSync("/proc/self/task").length;

  it("leave no threads behind", async () => {
    const graph = await KEYWORDS.load();
    const sharing = splitAll(3, 12, false);
    const cycle = async (): Promise<void> => {
      const session = await open(graph, sharing, nodeThreads());
      await session.run(noiseFor(graph, 1));
      session.dispose();
    };
    await cycle();
    await expect.poll(tasks, { timeout: 10_000 }).toBeLessThan(1000);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = tasks();
    for (let i = 0; i < 20; i++) await cycle();
    await expect.poll(tasks, { timeout: 20_000 }).toBeLessThanOrEqual(before);
  });
});
