/** Tiles of the relaxed-SIMD module, where this host has what they need; their layouts everywhere. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hostFeatures } from "../../../src/engines/wasm/features.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { areSignedBytes, packDepthwiseDot, packDot } from "../../../src/engines/wasm/pack-dot.ts";
import { describeVectors, prepareCase } from "../vectors.ts";
import type { OpCase } from "../vectors.ts";
import { RELU6, check, convCase, denseCase, grid } from "./cases.ts";
import type { ConvCase, Flavour, Kind } from "./cases.ts";
import { context } from "./context.ts";

const { features } = await hostFeatures();
const hasMadd = features.has("relaxed-madd");
const hasDot = features.has("relaxed-dot");
const RELAXED: Flavour = { feature: "relaxed", options: { relaxed: "on" }, isForced: true };

describe("layouts of the dot product", () => {
  const bytes = (words: Int32Array): Int8Array => new Int8Array(words.buffer);

  it("dense: bias less the zero point's products, scales, then four inputs a word; runs are padded", () => {
    const matrix = { data: Int16Array.of(9, 1, 2, 3, 4, 5, -6), offset: 1, n: 1, k: 6 };
    const packed = packDot(matrix, 1, Int32Array.of(100), Float32Array.of(0.5), 10);
    expect(packed.length).toBe(16 + 2 * 8);
    expect([packed[0], new Float32Array(packed.buffer)[8]]).toEqual([100 - 10 * 9, 0.5]);
    expect([...bytes(packed).subarray(64, 68)]).toEqual([1, 2, 3, 4]);
    expect([...bytes(packed).subarray(96, 100)]).toEqual([5, -6, 0, 0]);
    const segments = packDot(matrix, 2, Int32Array.of(0), Float32Array.of(1), 0);
    expect([...bytes(segments).subarray(64, 68), ...bytes(segments).subarray(96, 100)]).toEqual([1, 2, 3, 0, 4, 5, -6, 0]);
  });

  it("depthwise: kernel rows in fours", () => {
    const packed = packDepthwiseDot(Int16Array.of(1, 2, 3, 4, 5), 5, 1, 1, Int32Array.of(7), Float32Array.of(2), 3);
    expect(packed.length).toBe(16 + 2 * 8);
    expect(packed[0]).toBe(7 - 3 * 15);
    expect([...bytes(packed).subarray(64, 68), ...bytes(packed).subarray(96, 100)]).toEqual([1, 2, 3, 4, 5, 0, 0, 0]);
  });

  it("holds signed bytes only", () => {
    expect(areSignedBytes(Int16Array.of(-128, 127))).toBe(true);
    expect(areSignedBytes(Int16Array.of(128))).toBe(false);
    expect(areSignedBytes(Int16Array.of(-129))).toBe(false);
  });
});

const COLUMNS = [1, 3, 4, 5, 7, 8, 9, 13];
const WINDOWS: readonly Omit<ConvCase, "kind" | "seed">[] = [
  { input: [1, 5, 6, 3], outputs: 8, kernel: [3, 3] },
  { input: [2, 7, 5, 3], outputs: 5, kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  { input: [1, 11, 4, 1], outputs: 7, kernel: [10, 4], strides: [2, 2], pads: [4, 1, 5, 1] },
  { input: [1, 9, 9, 4], outputs: 9, kernel: [3, 3], dilations: [2, 2], pads: [2, 2, 2, 2] },
  { input: [1, 6, 6, 5], outputs: 4, kernel: [3, 2], strides: [1, 2], pads: [0, 1, 2, 0], withBias: false },
  { input: [1, 6, 7, 8], outputs: 12, kernel: [3, 3], groups: 4, pads: [1, 1, 1, 1], activation: RELU6 },
  { input: [1, 5, 5, 9], outputs: 6, kernel: [3, 1], groups: 3, strides: [3, 2], pads: [2, 0, 1, 3] },
  { input: [3, 4, 4, 9], outputs: 10, kernel: [1, 1], strides: [2, 2] },
];

describe.skipIf(!hasMadd)("multiply-add tiles", () => {
  for (const rows of [4, 6]) {
    it(`${rows}×8: every remainder of rows, columns and depth`, async () => {
      const kernel = `f32_gemm_packed_${rows}x8`;
      for (const m of [2, 3, 4, 5, 6, 7, 11, 12, 13]) for (const n of COLUMNS) await check(denseCase("float32", m, n, 7), kernel, RELAXED);
      for (const k of [1, 2, 31]) await check(denseCase("float32", 7, 9, k, 0, RELU6), kernel, RELAXED);
      // 512 floats a row make blocks of 64 rows, rounded up to whole tiles.
      await check(denseCase("float32", 139, 9, 512, 0, { kind: "hardswish" }), kernel, RELAXED);
    });

    it(`${rows}×8: windows`, async () => {
      for (const [seed, shape] of WINDOWS.entries()) {
        await check(convCase("Conv2D", { kind: "float32", seed, ...shape }), `f32_conv_indirect_${rows}x8`, RELAXED);
      }
    });
  }

  it("are preferred where they are faster", async () => {
    const kernelOf = async (m: number): Promise<string | undefined> =>
      (await wasmEngine.compile(prepareCase(denseCase("float32", m, 8, 8)).graph, context, {})).placement()[0]?.kernel;
    const wide = features.has("wide-tiles") ? "f32_gemm_packed_6x8__wasm_relaxed" : "f32_gemm_packed_4x8__wasm_simd";
    expect(await kernelOf(6)).toBe(wide);
    expect(await kernelOf(5)).toBe("f32_gemm_packed_4x8__wasm_simd");
  });
});

const BYTES: readonly Kind[] = ["int8", "uint8"];

describe.skipIf(!hasDot)("8-bit dot-product tiles", () => {
  for (const kind of BYTES) {
    it(`${kind}: every remainder of rows, columns and depth`, async () => {
      for (const m of [1, 2, 3, 4, 5, 7, 8, 13]) {
        for (const n of COLUMNS)
          for (const k of [1, 2, 3, 4, 5, 7, 8, 9, 31]) await check(denseCase(kind, m, n, k), "i8_gemm_dot_4x8", RELAXED);
      }
      await check(denseCase(kind, 67, 9, 4099, 0, RELU6), "i8_gemm_dot_4x8", RELAXED);
    });

    it(`${kind}: one row`, async () => {
      for (const n of [1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 47, 48, 57, 67]) {
        for (const k of [1, 3, 4, 5, 31]) await check(denseCase(kind, 1, n, k), "i8_gemv_dot_1x32", RELAXED);
      }
      // A window as large as the image, and groups of channels.
      const whole = { kind, seed: 3, input: [1, 3, 5, 6], outputs: 70, kernel: [3, 5] } as const;
      await check(convCase("Conv2D", whole), "i8_gemv_dot_1x32", RELAXED);
      const grouped = { kind, seed: 4, input: [1, 1, 1, 15], outputs: 51, kernel: [1, 1], groups: 3 } as const;
      await check(convCase("Conv2D", grouped), "i8_gemv_dot_1x32", RELAXED);
    });

    it(`${kind}: windows`, async () => {
      for (const [seed, shape] of WINDOWS.entries()) await check(convCase("Conv2D", { kind, seed, ...shape }), "i8_conv_dot_4x8", RELAXED);
    });

    for (const [size, stride] of [
      [3, 1],
      [3, 2],
      [5, 1],
      [5, 2],
    ] as const) {
      it(`${kind}: depthwise ${size}×${size}, stride ${stride}`, async () => {
        const kernel = `i8_depthwise_dot_w${size}s${stride}_1x4`;
        for (const width of [5, 6, 9, 10, 11, 17]) {
          for (const channels of [2, 7, 8, 9, 16, 21]) {
            const c = { kind, seed: width * channels, input: [2, 6, width, channels], outputs: channels, kernel: [size, size] } as const;
            for (const pads of [[0, 0, 0, 0] as const, [2, 1, 1, 2] as const]) {
              await check(convCase("DepthwiseConv2D", { ...c, strides: [stride, stride], pads, activation: RELU6 }), kernel, RELAXED);
            }
          }
        }
      });
    }

    it(`${kind}: depthwise of uneven kernels and strides`, async () => {
      for (const height of [1, 2, 4, 7, 8]) {
        const c = {
          kind,
          seed: height,
          input: [1, 9, 8, 9],
          outputs: 9,
          kernel: [height, 3],
          strides: [3, 1],
          pads: [1, 1, 1, 1],
        } as const;
        await check(convCase("DepthwiseConv2D", c), "i8_depthwise_dot_w3s1_1x4", RELAXED);
      }
    });

    it(`${kind}: extremes of both operands`, async () => {
      for (const [x, w] of [
        [kind === "int8" ? -128 : 255, -128],
        [kind === "int8" ? -128 : 0, 127],
        [kind === "int8" ? 127 : 255, 127],
      ] as const) {
        const base = denseCase(kind, 5, 9, 301);
        const [input, weights, bias] = base.inputs;
        const extreme: OpCase = {
          ...base,
          inputs: [{ ...input!, data: input!.data.map(() => x) }, { ...weights!, data: weights!.data.map(() => w) }, bias!],
          output: { ...base.output, quant: grid(8, 3) },
        };
        await check(extreme, "i8_gemm_dot_4x8", RELAXED);
      }
    });
  }

  it("equal the int16 pairs to the bit, whatever the layer", async () => {
    const size = fc.integer({ min: 1, max: 9 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...BYTES), size, size, size, size, fc.nat(), async (kind, h, w, channels, outputs, seed) => {
        const kernel = [Math.min(h, 1 + (seed % 4)), Math.min(w, 1 + ((seed >> 2) % 4))] as const;
        const pads = [seed % 3, (seed >> 3) % 3, (seed >> 4) % 3, (seed >> 5) % 2] as const;
        const { graph, inputs } = prepareCase(convCase("Conv2D", { kind, seed, input: [2, h, w, channels], outputs, kernel, pads }));
        const [on, off] = await Promise.all(
          ["on", "off"].map(async (relaxed) => {
            const session = await wasmEngine.compile(graph, context, { relaxed });
            const outputs = await session.run(inputs);
            return { kernel: session.placement()[0]!.kernel, outputs };
          }),
        );
        expect([on!.kernel, off!.kernel].map((name) => name.split("__")[1])).toEqual(["wasm_relaxed", "wasm_simd"]);
        expect(on!.outputs).toEqual(off!.outputs);
      }),
      { numRuns: 60 },
    );
  });

  it("leave weights beyond a signed byte to the int16 pairs", async () => {
    const base = denseCase("uint8", 5, 9, 16);
    const [input, weights, bias] = base.inputs;
    const data = Uint8Array.from(weights!.data, (q, i) => (i === 3 ? 255 : q + 128));
    const quant = { ...weights!.quant!, zeroPoints: new Int32Array(9).fill(20) };
    const shifted: OpCase = { ...base, inputs: [input!, { ...weights!, dtype: "uint8", data, quant }, bias!] };
    const session = await wasmEngine.compile(prepareCase(shifted).graph, context, { relaxed: "on" });
    expect(session.placement()[0]?.kernel).toBe("i8_gemm_pairs_4x8__wasm_simd");
    await check(shifted, "i8_gemm_pairs_4x8", { feature: "simd", options: { relaxed: "on" } });
  });

  it("are told from wrong ones by one element", async () => {
    const wrong = denseCase("int8", 5, 9, 16);
    const { expected } = prepareCase(wrong);
    const off = expected.slice();
    off[17]! ^= 1;
    await expect(check({ ...wrong, expected: off }, "i8_gemm_dot_4x8", RELAXED)).rejects.toThrow(/element 17/);
  });
});

describeVectors("wasm:relaxed=off", wasmEngine, context, { engineOptions: { relaxed: "off" } });
if (features.size > 0) describeVectors("wasm:relaxed=on", wasmEngine, context, { engineOptions: { relaxed: "on" } });
