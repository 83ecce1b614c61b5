/** Kernels that skip zeros, float and 8 bits: equal to the CPU engine at every remainder, with empty lists and without any zero. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { compareOutputs } from "../../../src/engines/tolerance.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { liveShare, packCsr, packDotLists, packLists, packTwoOfFour } from "../../../src/engines/webgpu/pack-sparse.ts";
import type { GemmShape } from "../../../src/engines/webgpu/pack.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { createArray, elementCount } from "../../../src/graph/dtype.ts";
import type { TypedArray } from "../../../src/graph/dtype.ts";
import type { Conv2DAttrs, Graph } from "../../../src/graph/ir.ts";
import { random } from "../generated.ts";
import { keepDevice, testContext } from "./context.ts";
import { checkForced, reference, runForced } from "./forced.ts";
import { grid, randomInputs } from "./graphs.ts";

let shared: SharedDevice;
let context: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
});
afterAll(() => {
  shared.release();
});

type Type = "float32" | "int8";

interface Pattern {
  /** Consecutive k × output channels that are zero together. */
  readonly rows: number;
  readonly cols: number;
  readonly zeros: number;
}

/** [n][k] */
function weights(type: Type, n: number, k: number, { rows, cols, zeros }: Pattern, rand: () => number): TypedArray {
  const w = createArray(type, n * k);
  for (let o = 0; o < n; o += cols)
    for (let p = 0; p < k; p += rows) {
      if (rand() < zeros) continue;
      for (let j = o; j < Math.min(n, o + cols); j++)
        for (let i = p; i < Math.min(k, p + rows); i++) w[j * k + i] = type === "int8" ? 1 + Math.floor(rand() * 127) : rand() - 0.5;
    }
  return w;
}

/** Activations around a zero point of 3, so that folding it counts. */
function layer(type: Type, input: readonly number[], shape: readonly number[], w: TypedArray, conv?: Partial<Conv2DAttrs>): Graph {
  const integer = type === "int8";
  const rand = random(7);
  const b = new GraphBuilder("sparse");
  const x = b.input("x", type, input, integer ? grid(0.05, 3) : undefined);
  const weight = b.constant("w", type, shape, w, integer ? { quant: grid(0.01, 0) } : {});
  const bias = integer
    ? b.constant(
        "bias",
        "int32",
        [shape[0]!],
        Int32Array.from({ length: shape[0]! }, () => Math.floor(rand() * 2000) - 1000),
        {
          quant: grid(0.0005, 0),
        },
      )
    : b.constant(
        "bias",
        "float32",
        [shape[0]!],
        Float32Array.from({ length: shape[0]! }, () => rand() - 0.5),
      );
  const quant = integer ? { quant: grid(0.2, -4) } : {};
  const activation = { kind: "clamp", min: -1, max: 6 } as const;
  const y =
    conv === undefined
      ? b.add("Dense", "layer", [x, weight, bias], { activation }, quant)
      : b.add(
          "Conv2D",
          "layer",
          [x, weight, bias],
          { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1, ...conv, activation },
          quant,
        );
  return b.finish([y]);
}

function dense(type: Type, m: number, n: number, k: number, pattern: Pattern, seed: number): Graph {
  return layer(type, [m, k], [n, k], weights(type, n, k, pattern, random(seed)));
}

function conv(type: Type, input: readonly number[], out: number, kernel: number, pattern: Pattern, attrs: Partial<Conv2DAttrs>): Graph {
  const shape = [out, kernel, kernel, input[3]! / (attrs.groups ?? 1)];
  return layer(type, input, shape, weights(type, out, elementCount(shape) / out, pattern, random(11)), attrs);
}

const KINDS = [
  { type: "float32", name: "f32_*_block1x8_#x8", rows: 1, cols: 8, unit: 1 },
  { type: "float32", name: "f32_*_block4x8_#x8", rows: 4, cols: 8, unit: 4 },
  { type: "float32", name: "f32_*_block1x8_share_16x8", rows: 1, cols: 8, unit: 1 },
  { type: "float32", name: "f32_*_block1x16_tiled_64x16", rows: 1, cols: 16, unit: 1 },
  { type: "float32", name: "f32_*_block1x32_tiled_32x32", rows: 1, cols: 32, unit: 1 },
  { type: "float32", name: "f32_*_csr_#x1", rows: 1, cols: 1, unit: 1 },
  { type: "int8", name: "i8_*_block1x8_#x8", rows: 1, cols: 8, unit: 1 },
  { type: "int8", name: "i8_*_block1x8_dot4_#x8", rows: 1, cols: 8, unit: 1 },
  { type: "int8", name: "i8_*_block1x8_unpack_#x8", rows: 1, cols: 8, unit: 1 },
  { type: "int8", name: "i8_*_block4x8_dot4_#x8", rows: 4, cols: 8, unit: 1 },
  { type: "int8", name: "i8_*_block4x8_unpack_#x8", rows: 4, cols: 8, unit: 1 },
] as const;

describe.each(KINDS)("$name", ({ type, name, rows, cols, unit }) => {
  const ON = { sparse: "on" } as const;
  const kernel = (family: "gemm" | "conv", few: boolean): string =>
    `${name.replace("*", family).replace("#", few ? "1" : name.includes("csr") ? "8" : "4")}__wgsl`;
  const pattern = (zeros: number): Pattern => ({ rows, cols, zeros });
  const supported = (k: number): boolean => unit === 1 || k % 4 === 0;
  const check = (graph: Graph, family: "gemm" | "conv", few: boolean, where: string): Promise<number> => {
    if (name.includes("dot4") && !shared.facts.dot4) return Promise.resolve(0);
    // Tiles are for as many rows as they have.
    if (name.includes("tiled") && few) return Promise.resolve(0);
    if (name.includes("share") && !shared.facts.subgroups) return Promise.resolve(0);
    // A layer of few blocks may have lost them all: no list is left, and no sparse kernel applies.
    if (graph.tensors.get("w")!.data!.every((v) => v === 0)) return Promise.resolve(0);
    return checkForced(graph, kernel(family, few), context, ON, where);
  };

  it("every remainder of rows, columns and depth", async () => {
    let seed = 1;
    for (const m of [1, 3, 4, 5, 7, 9, 16, 17])
      for (const n of [1, 7, 8, 17]) await check(dense(type, m, n, 12, pattern(0.4), seed++), "gemm", m < 4, `${m}×${n}×12`);
    for (const k of [1, 3, 4, 5, 8, 16, 23, 61].filter(supported))
      for (const m of [2, 5]) await check(dense(type, m, 11, k, pattern(0.3), seed++), "gemm", m < 4, `${m}×11×${k}`);
  });

  it("no zeros, few weights, empty lists", async () => {
    for (const m of [1, 6]) {
      await check(dense(type, m, 19, 32, pattern(0), 1), "gemm", m < 4, "no zeros");
      await check(dense(type, m, 19, 32, pattern(0.97), 2), "gemm", m < 4, "few weights");
      const graph = dense(type, m, 24, 32, pattern(0.5), 3);
      const w = graph.tensors.get("w")!;
      const data = w.data!.slice();
      data.fill(0, 8 * 32, 16 * 32);
      const empty = { ...graph, tensors: new Map(graph.tensors).set("w", { ...w, data }) };
      await check(empty, "gemm", m < 4, "eight rows of zeros");
    }
  });

  it("images: strides, pads, dilations, groups, batches", async () => {
    const p = pattern(0.5);
    await check(conv(type, [1, 6, 7, 8], 11, 3, p, { pads: [1, 1, 1, 1] }), "conv", false, "3×3");
    await check(conv(type, [2, 7, 6, 4], 8, 3, p, { strides: [2, 1], pads: [0, 1, 2, 0] }), "conv", false, "strides");
    await check(conv(type, [1, 9, 9, 4], 9, 3, p, { dilations: [2, 2] }), "conv", false, "dilations");
    await check(conv(type, [1, 6, 7, 16], 24, 3, p, { groups: 2, pads: [1, 1, 1, 1] }), "conv", false, "groups");
    await check(conv(type, [1, 3, 3, 8], 9, 3, p, {}), "conv", true, "one pixel");
    if (unit === 1) await check(conv(type, [1, 6, 7, 5], 11, 3, p, { pads: [1, 1, 1, 1] }), "conv", false, "odd channels");
  });

  it("any layer, whatever its size and share of zeros", async () => {
    const size = fc.integer({ min: 1, max: 40 });
    await fc.assert(
      fc.asyncProperty(
        size,
        size,
        fc.integer({ min: 1, max: 12 }),
        fc.double({ min: 0, max: 0.9, noNaN: true }),
        fc.nat(),
        async (m, n, k, zeros, seed) => {
          const graph = dense(type, m, n, k * 4, pattern(zeros), seed);
          // Without a weight there is nothing to list.
          if (graph.tensors.get("w")!.data!.every((v) => v === 0)) return;
          await check(graph, "gemm", m < 4, `${m}×${n}×${k * 4}`);
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe("2:4 storage", () => {
  const twoOfFour = (n: number, k: number, seed: number): Float32Array => {
    const rand = random(seed);
    const w = new Float32Array(n * k);
    for (let o = 0; o < n; o++)
      for (let p = 0; p < k; p += 4) {
        const first = Math.floor(rand() * 4);
        for (const i of [first, (first + 1 + Math.floor(rand() * 3)) % 4]) if (p + i < k) w[o * k + p + i] = rand() - 0.5;
      }
    return w;
  };
  const ON = { coded: "on" } as const;

  it("every tile and remainder", async () => {
    const check = (m: number, n: number, k: number, tile: string): Promise<number> => {
      const kernel = `f32_gemm_nm24_${tile}__wgsl${k % 4 === 0 ? "" : "_scalar"}`;
      return checkForced(layer("float32", [m, k], [n, k], twoOfFour(n, k, m + n + k)), kernel, context, ON, `${m}×${n}×${k}`);
    };
    for (const m of [4, 5, 13]) for (const n of [5, 12, 17]) await check(m, n, 20, "4x4");
    for (const k of [37, 61]) await check(5, 11, k, "4x4");
    for (const n of [13, 16]) await check(1, n, 36, "1x4");
    await check(1, 13, 61, "1x4");
    for (const n of [15, 17]) await check(1, n, 68, "split_1x4");
    for (const m of [31, 33]) await check(m, 37, 36, "32x32");
    const pads = { pads: [1, 1, 1, 1] } as const;
    const image = layer("float32", [1, 6, 7, 8], [11, 3, 3, 8], twoOfFour(11, 72, 3), pads);
    await checkForced(image, "f32_conv_nm24_4x4__wgsl", context, ON, "3×3");
  });

  it("is chosen by the data alone, takes little more than half the bytes, and leaves shared places to lists", async () => {
    const graph = layer("float32", [8, 256], [64, 256], twoOfFour(64, 256, 1));
    const session = await webgpuEngine.compile(graph, context, {});
    const off = await webgpuEngine.compile(graph, context, { coded: "off", sparse: "off" });
    expect(session.placement()[0]!.kernel).toBe("f32_gemm_nm24_4x4__wgsl");
    expect(off.placement()[0]!.kernel).toMatch(/^f32_gemm_(?!nm24)/);
    expect(session.memory().weights).toBeLessThan(0.56 * off.memory().weights);
    session.dispose();
    off.dispose();
    const lists = layer("float32", [8, 256], [64, 256], weights("float32", 64, 256, { rows: 1, cols: 8, zeros: 0.5 }, random(1)));
    const listed = await webgpuEngine.compile(lists, context, {});
    expect(listed.placement()[0]!.kernel).not.toContain("nm24");
    listed.dispose();
  });
});

describe("packing", () => {
  const shape: GemmShape = { groups: 1, groupOut: 10, segmentsY: 1, segmentsX: 1, run: 12, runWeights: 12 };
  const position = (_y: number, _x: number, p: number): number => p;
  const data = weights("float32", 10, 12, { rows: 1, cols: 1, zeros: 0.6 }, random(3));
  const at = (o: number, _y: number, _x: number, p: number): number => data[o * 12 + p]!;

  it.each([
    { outputs: 8, unit: 1 },
    { outputs: 16, unit: 1 },
    { outputs: 32, unit: 1 },
    { outputs: 8, unit: 4 },
    { outputs: 1, unit: 1 },
  ] as const)("lists of $unit×$outputs hold every weight once", (list) => {
    const packed = packLists(shape, at, position, list, (n) => new Float32Array(n))!;
    const seen = new Float32Array(120);
    const lists = Math.ceil(10 / list.outputs);
    for (let l = 0; l < lists; l++)
      for (let e = packed.starts[l]!; e < packed.starts[l + 1]!; e++)
        for (let i = 0; i < list.unit; i++)
          for (let j = 0; j < list.outputs; j++) {
            const value = packed.values[(e * list.unit + i) * list.outputs + j]!;
            if (value !== 0) seen[(l * list.outputs + j) * 12 + packed.positions[e]! + i] = value;
          }
    expect(seen).toEqual(data);
    expect(packed.positions.length / (lists * (12 / list.unit))).toBeCloseTo(liveShare(shape, at, list), 12);
  });

  it("says that a position cannot be encoded, and that four of four are no 2:4", () => {
    const none = (): undefined => undefined;
    const list = { outputs: 8, unit: 1 } as const;
    expect(packLists(shape, at, none, list, (n) => new Float32Array(n))).toBeUndefined();
    expect(packDotLists(shape, at, none, list)).toBeUndefined();
    expect(packCsr(shape, at, none)).toBeUndefined();
    expect(packTwoOfFour(shape, () => 1)).toBeUndefined();
  });
});

describe("the comparison itself", () => {
  it.each(["float32", "int8"] as const)("notices one weight that is missing in %s", async (type) => {
    const graph = dense(type, 5, 16, 16, { rows: 1, cols: 8, zeros: 0.5 }, 5);
    const w = graph.tensors.get("w")!;
    const data = w.data!.slice();
    data[data.findIndex((v) => Math.abs(v) > (type === "int8" ? 100 : 0.4))] = 0;
    const wrong = { ...graph, tensors: new Map(graph.tensors).set("w", { ...w, data }) };
    const inputs = randomInputs(graph, 1);
    const kernel = `${type === "int8" ? "i8" : "f32"}_gemm_block1x8_4x8__wgsl`;
    const { out } = await runForced(wrong, kernel, context, { sparse: "on" }, inputs);
    const want = await reference(graph, context, inputs);
    expect(compareOutputs([want], [out], 1e-5).pass).toBe(false);
  });
});
