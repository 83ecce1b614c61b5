/**
 * Kernels that skip zeros, each told to run: at every remainder against the oracle and against the dense kernel on the same weights (to
 * the bit where integers), over lists that are empty or full, and over windows. And how a layer chooses among them.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UsageError } from "../../../src/errors.ts";
import { hostFeatures } from "../../../src/engines/wasm/features.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { MODULE_PATH, RELAXED_MODULE_PATH, loadModules } from "../../../src/engines/wasm/module.ts";
import { WasmSession } from "../../../src/engines/wasm/session.ts";
import { cut } from "../../../src/engines/wasm/threads/schedule.ts";
import type { Sharing } from "../../../src/engines/wasm/threads/schedule.ts";
import { compareOutputs } from "../../../src/engines/tolerance.ts";
import { createArray } from "../../../src/graph/dtype.ts";
import type { TypedArray } from "../../../src/graph/dtype.ts";
import { random } from "../generated.ts";
import { prepareCase } from "../vectors.ts";
import type { OpCase } from "../vectors.ts";
import { RELU6, convCase, denseCase } from "./cases.ts";
import type { ConvCase, Kind } from "./cases.ts";
import { context } from "./context.ts";

const KINDS: readonly Kind[] = ["float32", "int8", "uint8"];
const PATTERNS = ["1x8_4x8", "1x4_8x4", "csr_24x1", "delta_24x1"] as const;
const { features } = await hostFeatures();
/** Of any number of rows; where this host's dot product is exact. */
const DOT = features.has("relaxed-dot") ? ["i8_spmm_dot1x8_4x8", "i8_spmm_dotcsr_4x8"].map((name) => `${name}__wasm_relaxed`) : [];

function matrixKernels(kind: Kind): readonly string[] {
  const simd = PATTERNS.map((pattern) => `${kind === "float32" ? "f32" : "i8"}_spmm_${pattern}__wasm_simd`);
  return kind === "float32" ? simd : [...simd, ...DOT];
}

function vectorKernels(kind: Kind): readonly string[] {
  if (kind !== "float32") return ["i8_spmv_1x8_1x8__wasm_simd", ...DOT];
  return ["f32_spmv_1x8_1x8", "f32_spmv_1x4_1x4", "f32_spmv_csr_1x1"].map((name) => `${name}__wasm_simd`);
}

/** @param kernel that shall execute the node; absent: the heuristic decides */
async function outputOf(opCase: OpCase, kernel?: string, options: Readonly<Record<string, string>> = {}): Promise<TypedArray> {
  const { graph, inputs } = prepareCase(opCase);
  const choices = kernel === undefined ? [] : [{ node: "case", kernel, why: "told by a test" }];
  const session = await wasmEngine.compile(graph, context, options, choices);
  try {
    if (kernel !== undefined) expect(session.placement()[0]?.kernel, opCase.name).toBe(kernel);
    return (await session.run(inputs))[0]!;
  } finally {
    session.dispose();
  }
}

async function check(opCase: OpCase, kernels: readonly string[]): Promise<void> {
  const { expected, tolerance } = prepareCase(opCase);
  for (const kernel of kernels) {
    const comparison = compareOutputs([expected], [await outputOf(opCase, kernel, { sparse: "on" })], tolerance);
    expect(comparison.pass, `${kernel}, ${opCase.op} ${opCase.name}: ${comparison.message}`).toBe(true);
  }
}

async function placed(opCase: OpCase, options: Readonly<Record<string, string>> = {}): Promise<{ kernel: string; why: string }> {
  const session = await wasmEngine.compile(prepareCase(opCase).graph, context, { relaxed: "off", ...options });
  const { kernel, why = "" } = session.placement()[0]!;
  session.dispose();
  return { kernel: kernel.replace("__wasm_simd", ""), why };
}

/** The same case with other weights. */
function withWeights(opCase: OpCase, change: (weights: TypedArray, k: number) => void): OpCase {
  const [x, w, ...rest] = opCase.inputs;
  const data = w!.data.slice();
  change(data, data.length / w!.shape[0]!);
  return { ...opCase, inputs: [x!, { ...w!, data }, ...rest] };
}

/** Zeroes blocks of so many outputs × 1 input with the given probability. */
function pruned(opCase: OpCase, outputs: number, share: number, seed = 1): OpCase {
  const rand = random(seed);
  return withWeights(opCase, (w, k) => {
    const n = w.length / k;
    for (let first = 0; first < n; first += outputs) {
      for (let i = 0; i < k; i++) {
        if (rand() < share) for (let o = first; o < Math.min(n, first + outputs); o++) w[o * k + i] = 0;
      }
    }
  });
}

/** 1, tile - 1, tile, tile + 1 of the tiles of 4, 8, 16 and 24 rows and their sums; primes. */
const ROWS = [2, 3, 4, 5, 7, 8, 9, 12, 13, 16, 17, 23, 24, 25, 28, 31, 47];
const COLUMNS = [1, 3, 4, 5, 7, 8, 9, 13, 17];
const DEPTHS = [1, 2, 3, 7, 8, 9, 31];

describe("remainders", () => {
  for (const kind of KINDS) {
    it(`${kind}: rows and columns`, async () => {
      for (const m of ROWS) for (const n of COLUMNS) await check(pruned(denseCase(kind, m, n, 61), 1, 0.5, m), matrixKernels(kind));
    });
    it(`${kind}: depth`, async () => {
      for (const k of DEPTHS)
        for (const n of [3, 9]) await check(pruned(denseCase(kind, 29, n, k, 0, RELU6), 4, 0.3, k), matrixKernels(kind));
    });
    it(`${kind}: one row`, async () => {
      for (const n of COLUMNS) for (const k of DEPTHS) await check(pruned(denseCase(kind, 1, n, k), 1, 0.4, n), vectorKernels(kind));
      for (const n of COLUMNS) await check(pruned(denseCase(kind, 1, n, 61, 0, RELU6), 8, 0.6, n), vectorKernels(kind));
    });
  }

  it("hard-swish, and rows in several blocks", async () => {
    const hardswish = { kind: "hardswish" } as const;
    for (const outputs of [8, 4, 1])
      await check(pruned(denseCase("float32", 67, 9, 512, 0, hardswish), outputs, 0.7), matrixKernels("float32"));
    await check(pruned(denseCase("float32", 1, 13, 61, 0, hardswish), 1, 0.7), vectorKernels("float32"));
  });
});

describe("lists", () => {
  for (const kind of KINDS) {
    const all = (m: number): readonly string[] => (m === 1 ? vectorKernels(kind) : matrixKernels(kind));
    it(`${kind}: all zero leaves the bias`, async () => {
      for (const m of [1, 6, 29])
        await check(
          withWeights(denseCase(kind, m, 19, 5), (w) => w.fill(0)),
          all(m),
        );
    });
    it(`${kind}: no zero`, async () => {
      for (const m of [1, 6, 29]) await check(denseCase(kind, m, 19, 13), all(m));
    });
    it(`${kind}: empty lists between full ones, one output, one input`, async () => {
      const gaps = (w: TypedArray, k: number): void => w.forEach((_, i) => (Math.floor(i / k / 4) % 2 === 0 ? (w[i] = 0) : undefined));
      for (const m of [1, 27]) await check(withWeights(denseCase(kind, m, 23, 17), gaps), all(m));
      for (const m of [1, 27]) {
        const single = (w: TypedArray, k: number): void => w.forEach((_, i) => (i % k === k - 1 && i > 9 * k ? undefined : (w[i] = 0)));
        await check(withWeights(denseCase(kind, m, 12, 11), single), all(m));
      }
    });
  }
});

describe("windows", () => {
  const SHAPES: readonly Omit<ConvCase, "kind" | "seed">[] = [
    { input: [1, 6, 7, 5], outputs: 11, kernel: [3, 3], pads: [1, 1, 1, 1] },
    { input: [2, 7, 6, 8], outputs: 16, kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], activation: RELU6 },
    { input: [1, 9, 9, 3], outputs: 9, kernel: [3, 3], dilations: [2, 3], pads: [0, 2, 1, 0] },
    { input: [1, 5, 5, 16], outputs: 24, kernel: [1, 1], strides: [2, 2] },
    { input: [3, 4, 4, 9], outputs: 10, kernel: [1, 1], withBias: false },
    { input: [1, 11, 4, 1], outputs: 7, kernel: [10, 4], strides: [2, 2], pads: [4, 1, 5, 1] },
    { input: [1, 9, 8, 43], outputs: 9, kernel: [3, 3] },
    { input: [1, 3, 3, 7], outputs: 9, kernel: [3, 3], pads: [0, 0, 0, 0], dilations: [1, 1] },
  ];
  for (const kind of KINDS) {
    it(`${kind}: kernels, strides, dilations, pads, batches`, async () => {
      for (const [i, shape] of SHAPES.entries()) {
        const base = convCase("Conv2D", { ...shape, kind, seed: i });
        // A window as large as the image is one row.
        const kernels = matrixKernels(kind).filter((kernel) => i !== 7 || kernel !== "i8_spmm_1x8_4x8__wasm_simd");
        for (const outputs of [8, 1]) await check(pruned(base, outputs, 0.6, i), kernels);
      }
    });

    it(`${kind}: groups stay dense, also where sparse kernels are asked for`, async () => {
      const grouped = convCase("Conv2D", { kind, seed: 1, input: [1, 6, 7, 8], outputs: 16, kernel: [3, 3], groups: 2, zeroShare: 0.9 });
      const { kernel } = await placed(grouped, { sparse: "on" });
      expect(kernel).toBe(kind === "float32" ? "f32_conv_indirect_4x8" : "i8_conv_pairs_4x8");
    });
  }
});

describe("sparse equals dense on the same weights", () => {
  const arbitrary = fc.record({
    m: fc.integer({ min: 1, max: 53 }),
    n: fc.integer({ min: 1, max: 37 }),
    k: fc.integer({ min: 1, max: 70 }),
    outputs: fc.constantFrom(1, 4, 8),
    zeros: fc.constantFrom(0, 0.2, 0.5, 0.9, 1),
    seed: fc.nat(),
  });
  for (const kind of KINDS) {
    it(kind, async () => {
      await fc.assert(
        fc.asyncProperty(arbitrary, async ({ m, n, k, outputs, zeros, seed }) => {
          const opCase = pruned(denseCase(kind, m, n, k), outputs, zeros, seed);
          const dense = await outputOf(opCase, undefined, { sparse: "off", relaxed: "off" });
          const { tolerance } = prepareCase(opCase);
          for (const kernel of m === 1 ? vectorKernels(kind) : matrixKernels(kind)) {
            const sparse = await outputOf(opCase, kernel, { sparse: "on" });
            if (kind === "float32") expect(compareOutputs([dense], [sparse], 2 * tolerance).pass, kernel).toBe(true);
            else expect(sparse, kernel).toEqual(dense);
          }
        }),
        { numRuns: 25 },
      );
    });
  }

  it("notices one changed weight", async () => {
    for (const kind of KINDS) {
      const opCase = pruned(denseCase(kind, 29, 13, 31), 1, 0.5);
      const { expected, tolerance } = prepareCase(opCase);
      const corrupt = withWeights(opCase, (w) => {
        const at = w.findIndex((v, i) => i > 100 && v !== 0);
        w[at] = -w[at]!;
      });
      for (const kernel of matrixKernels(kind)) {
        expect(compareOutputs([expected], [await outputOf(corrupt, kernel, { sparse: "on" })], tolerance).pass, kernel).toBe(false);
      }
    }
  });

  it("notices one zero that is skipped though it is none", async () => {
    const opCase = pruned(denseCase("float32", 29, 13, 31), 1, 0.5);
    const { expected, tolerance } = prepareCase(opCase);
    const filled = withWeights(opCase, (w) => (w[w.indexOf(0)] = 0.25));
    for (const kernel of matrixKernels("float32")) {
      expect(compareOutputs([expected], [await outputOf(filled, kernel, { sparse: "on" })], tolerance).pass, kernel).toBe(false);
    }
  });
});

describe("threads", () => {
  /** Pieces of one tile of rows, the last first, all made by this thread. */
  const sharing: Sharing = { threads: 2, maxPieces: 64, pieces: (call) => cut(call, Math.min(64, call.split?.units ?? 1))?.toReversed() };
  const idle = { available: 1, start: () => Promise.resolve({ terminate: () => undefined }) };

  it("give the same bits whatever the pieces", async () => {
    const modules = await loadModules(context, DOT.length === 0 ? [MODULE_PATH] : [MODULE_PATH, RELAXED_MODULE_PATH], "shared");
    for (const kind of KINDS) {
      const cases = [
        pruned(denseCase(kind, 131, 13, 61), 1, 0.5),
        pruned(convCase("Conv2D", { kind, seed: 3, input: [1, 9, 8, 5], outputs: 11, kernel: [3, 3], pads: [1, 1, 1, 1] }), 4, 0.5),
      ];
      for (const opCase of cases) {
        const { graph, inputs } = prepareCase(opCase);
        for (const kernel of matrixKernels(kind)) {
          const chosen = new Map([["case", { kernel, why: "" }]]);
          const selection = { features, simd: true, sparse: "on", coded: "auto", chosen } as const;
          const session = new WasmSession(graph, modules, context.now, selection, sharing);
          await session.startThreads(idle);
          expect(session.placement()[0]?.why, kernel).toContain("shared by 2 threads");
          expect((await session.run(inputs))[0], kernel).toEqual(await outputOf(opCase, kernel, { sparse: "on" }));
          session.dispose();
        }
      }
    }
  });
});

describe("choice", () => {
  const layer = (kind: Kind, m = 96, n = 64, k = 128): OpCase => denseCase(kind, m, n, k);

  it("follows the zeros, and says from which share they pay", async () => {
    const cases: readonly [OpCase, string, RegExp][] = [
      [pruned(layer("float32"), 8, 0.6), "f32_spmm_1x8_4x8", /^\d+ % of its 1×8 blocks are zero; pays from \d+ %$/],
      [
        pruned(layer("float32", 96, 512, 256), 4, 0.6),
        "f32_spmm_1x4_8x4",
        /^\d+ % of its 1×4 blocks are zero; pays (from \d+ %|at any share)$/,
      ],
      [pruned(layer("float32"), 1, 0.7), "f32_spmm_delta_24x1", /^\d+ % of its weights are zero; pays from \d+ %$/],
      [pruned(layer("float32", 1), 8, 0.7), "f32_spmv_1x8_1x8", /^\d+ % of its 1×8 blocks are zero; pays from \d+ %$/],
      [pruned(layer("float32", 1, 64, 2048), 1, 0.97), "f32_spmv_csr_1x1", /^\d+ % of its weights are zero; pays from \d+ %$/],
      [pruned(layer("int8"), 8, 0.6), "i8_spmm_1x8_4x8", /^\d+ % of its 1×8 blocks are zero; pays from \d+ %$/],
      [pruned(layer("int8"), 1, 0.8), "i8_spmm_delta_24x1", /^\d+ % of its weights are zero; pays from \d+ %$/],
    ];
    for (const [opCase, kernel, why] of cases) {
      const place = await placed(opCase);
      expect(place).toEqual({ kernel, why: place.why });
      expect(place.why).toMatch(why);
    }
  });

  it.skipIf(DOT.length === 0)("takes the 8-bit dot product where this host has it", async () => {
    const choose = async (opCase: OpCase): Promise<string> => (await placed(opCase, { relaxed: "auto" })).kernel;
    expect(await choose(pruned(layer("int8"), 8, 0.2))).toBe("i8_spmm_dot1x8_4x8__wasm_relaxed");
    expect(await choose(pruned(layer("uint8"), 1, 0.6))).toBe("i8_spmm_dotcsr_4x8__wasm_relaxed");
    expect(await choose(pruned(layer("int8"), 1, 0.2))).toBe("i8_gemm_dot_4x8__wasm_relaxed");
    expect(await choose(pruned(layer("int8", 1, 256, 256), 8, 0.8))).toBe("i8_spmm_dot1x8_4x8__wasm_relaxed");
    // 2:4 in every output: half the steps.
    const twoOfFour = withWeights(layer("int8"), (w, k) => w.forEach((_, i) => ((i + Math.floor(i / k)) % 4 < 2 ? (w[i] = 0) : undefined)));
    expect(await choose(twoOfFour)).toBe("i8_spmm_dotcsr_4x8__wasm_relaxed");
  });

  it("stays dense where zeros do not pay, and says so", async () => {
    const place = await placed(pruned(layer("float32"), 1, 0.15));
    expect(place.kernel).toBe("f32_gemm_packed_4x8");
    expect(place.why).toMatch(/^1\d % of its weights are zero; unstructured pays from [23]\d %; dense kernel/);
    expect((await placed(pruned(layer("float32", 1), 1, 0.6))).why).toMatch(/^1\d % of its 1×4 blocks are zero; 1×4 pays from [45]\d %; /);
    // Hardly any work in a list: its start and end cost more than it holds.
    expect((await placed(pruned(layer("float32", 96, 64, 3), 1, 0.4))).why).toContain("unstructured does not pay at this size");
    expect((await placed(layer("float32"))).why).toBe("dense weights");
  });

  it("can be told to skip zeros, also where there are none, and not to", async () => {
    for (const kind of ["float32", "int8"] as const) {
      const on = await placed(layer(kind), { sparse: "on" });
      expect(on.kernel).toMatch(/_spmm_/);
      expect(on.why).toMatch(/^0 % of its 1×[48] blocks are zero; pays (from \d+ %|at any share)$/);
      const unstructured = pruned(layer(kind), 1, 0.9);
      expect((await placed(unstructured, { sparse: "on" })).kernel).toMatch(/_spmm_delta_24x1$/);
      expect((await placed(unstructured, { sparse: "off" })).kernel).toMatch(/_gemm_/);
    }
  });

  it("vector-wise N:M runs through the lists of eight outputs", async () => {
    const twoOfFour = withWeights(layer("float32"), (w, k) => {
      for (let i = 0; i < w.length; i++) if ((i % k) % 4 === Math.floor(i / k / 8) % 4 || (i % k) % 4 === 3) w[i] = 0;
    });
    await check(twoOfFour, matrixKernels("float32"));
    expect((await placed(twoOfFour)).kernel).toBe("f32_spmm_1x8_4x8");
  });

  it("refuses a kernel that cannot execute the node, by name", async () => {
    await expect(outputOf(layer("float32"), "f32_spmv_1x8_1x8__wasm_simd", { sparse: "on" })).rejects.toThrow(UsageError);
    await expect(outputOf(denseCase("float32", 8, 3, 22000), "f32_spmm_csr_24x1__wasm_simd", { sparse: "on" })).rejects.toThrow(
      /kernel f32_spmm_csr_24x1__wasm_simd cannot execute it, expected one of/,
    );
  });

  it("the longest rows that lists can number are right", async () => {
    await check(pruned(denseCase("float32", 3, 2, 21845), 1, 0.99), ["f32_spmm_csr_24x1__wasm_simd"]);
    const far = withWeights(denseCase("float32", 9, 5, 65535), (w) => w.fill(0, 0, w.length - 3));
    await check(far, ["f32_spmm_1x4_8x4__wasm_simd"]);
    // Distances have no such limit, forwards or over a gap of a whole row.
    const ends = withWeights(denseCase("float32", 25, 3, 70001), (w, k) =>
      w.forEach((_, i) => (i % k > 1 && i % k < k - 1 ? (w[i] = 0) : undefined)),
    );
    await check(ends, ["f32_spmm_delta_24x1__wasm_simd"]);
    const last = createArray("float32", 5 * 65535);
    last[65534] = 1;
    await check(
      withWeights(denseCase("float32", 1, 5, 65535), (w) => w.set(last)),
      vectorKernels("float32"),
    );
  });
});
