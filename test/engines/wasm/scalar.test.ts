/** Kernels without vector instructions: simd=off. */
import { describe, expect, it } from "vitest";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { packDoubles, packScalarDepthwiseI8, packScalarF32 } from "../../../src/engines/wasm/pack-scalar.ts";
import { scaleWords } from "../../../src/graph/fixed-point.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { describeVectors } from "../vectors.ts";
import { RELU6, check, convCase, denseCase } from "./cases.ts";
import type { ConvCase, Flavour, Kind } from "./cases.ts";
import { context } from "./context.ts";

const SCALAR: Flavour = { feature: "scalar", options: { simd: "off" } };
const KINDS: readonly Kind[] = ["float32", "int8", "uint8"];
const conv = (kind: Kind): string => (kind === "float32" ? "f32_conv_indirect_2x4" : "i8_conv_doubles_2x8");
const depthwise = (kind: Kind): string => `${kind === "float32" ? "f32" : "i8"}_depthwise_direct_4x1`;

const WINDOWS: readonly Omit<ConvCase, "kind" | "seed">[] = [
  { input: [2, 7, 5, 3], outputs: 5, kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  { input: [1, 11, 4, 1], outputs: 7, kernel: [10, 4], strides: [2, 2], pads: [4, 1, 5, 1], activation: RELU6 },
  { input: [1, 9, 9, 4], outputs: 9, kernel: [3, 3], dilations: [2, 2], pads: [2, 2, 2, 2] },
  { input: [1, 6, 7, 8], outputs: 12, kernel: [3, 3], groups: 4, pads: [1, 1, 1, 1] },
  { input: [3, 4, 4, 9], outputs: 10, kernel: [1, 1], strides: [2, 2], withBias: false },
];

describe("scalar layouts", () => {
  it("f32: bias, then 4 outputs for each k", () => {
    const packed = packScalarF32({ data: Float32Array.of(9, 1, 2, 3, 4), offset: 1, n: 2, k: 2 }, Float32Array.of(10, 20));
    expect([...packed]).toEqual([10, 20, 0, 0, 1, 3, 0, 0, 2, 4, 0, 0]);
  });

  it("doubles: two outputs in one, the second 2^26 times as heavy", () => {
    const scales = scaleWords({ scales: Float32Array.of(1, 2, 4) });
    const packed = packDoubles({ data: Int16Array.of(1, -2, 3), offset: 0, n: 3, k: 1 }, Int32Array.of(5, 6, 7), scales);
    expect([...new Int32Array(packed.buffer, 0, 3)]).toEqual([5, 6, 7]);
    expect([...new Float32Array(packed.buffer, 32, 3)]).toEqual([1, 2, 4]);
    expect([...packed.subarray(8)]).toEqual([1 - 2 * 2 ** 26, 3, 0, 0]);
  });

  it("depthwise: bias less the zero point's products", () => {
    const scales = scaleWords({ scales: Float32Array.of(1, 1) });
    const packed = packScalarDepthwiseI8(Int16Array.of(1, 10, 2, 20), 2, 2, Int32Array.of(100, 200), scales, 3);
    expect([packed[0], ...packed.subarray(2, 4)]).toEqual([100 - 9, 1, 2]);
    expect([packed[4], ...packed.subarray(6, 8)]).toEqual([200 - 90, 10, 20]);
  });
});

describe("scalar layouts in fixed point", () => {
  const fixed = { rounding: "double", multipliers: Int32Array.of(11, 12, 13), shifts: Int32Array.of(-1, -2, 3) } as const;
  const scales = scaleWords({ scales: new Float32Array(3), fixed });

  it("doubles: multipliers and shifts of eight outputs, from a channel on", () => {
    const packed = packDoubles({ data: Int16Array.of(1, -2), offset: 0, n: 2, k: 1 }, Int32Array.of(5, 6), scales, 1);
    expect([...new Int32Array(packed.buffer, 0, 24)]).toEqual([5, 6, 0, 0, 0, 0, 0, 0, 12, 13, 0, 0, 0, 0, 0, 0, -2, 3, 0, 0, 0, 0, 0, 0]);
    expect([...packed.subarray(12)]).toEqual([1 - 2 * 2 ** 26, 0, 0, 0]);
  });

  it("depthwise: both words behind the bias", () => {
    const packed = packScalarDepthwiseI8(Int16Array.of(1, 10, 2, 20), 2, 2, Int32Array.of(100, 200), scales, 3);
    expect([...packed]).toEqual([100 - 9, 11, -1, 1, 2, 200 - 90, 12, -2, 10, 20]);
  });
});

describe("scalar tiles", () => {
  for (const kind of KINDS) {
    it(`${kind}: every remainder of rows and columns`, async () => {
      for (const m of [1, 2, 3, 5]) for (const n of [1, 2, 3, 4, 5, 7, 8, 9, 13]) await check(denseCase(kind, m, n, 7), conv(kind), SCALAR);
    });

    it(`${kind}: depths around those at which sums are split`, async () => {
      for (const k of [1, 2, 511, 512, 513, 1024, 1031]) await check(denseCase(kind, 3, 5, k, 0, RELU6), conv(kind), SCALAR);
      // Three rows of 300: the second is split in the middle.
      await check(
        convCase("Conv2D", { kind, seed: 1, input: [1, 4, 3, 100], outputs: 5, kernel: [3, 3], pads: [0, 1, 0, 1] }),
        conv(kind),
        SCALAR,
      );
    });

    it(`${kind}: windows, strides, pads, dilations, groups, batches`, async () => {
      for (const [seed, c] of WINDOWS.entries()) await check(convCase("Conv2D", { kind, seed, ...c }), conv(kind), SCALAR);
    });

    it(`${kind}: depthwise`, async () => {
      for (const width of [3, 4, 6, 7, 9]) {
        for (const channels of [2, 5, 8]) {
          const c = { kind, seed: width, input: [2, 6, width, channels], outputs: channels, kernel: [3, 3] } as const;
          for (const [strides, pads] of [
            [
              [1, 1],
              [0, 0, 0, 0],
            ],
            [
              [2, 1],
              [1, 2, 0, 1],
            ],
            [
              [1, 2],
              [2, 0, 1, 2],
            ],
          ] as const) {
            await check(convCase("DepthwiseConv2D", { ...c, strides, pads, activation: RELU6 }), depthwise(kind), SCALAR);
          }
        }
      }
      const dilated = { kind, seed: 9, input: [1, 9, 9, 3], outputs: 3, kernel: [2, 5], dilations: [3, 2], pads: [1, 4, 2, 4] } as const;
      await check(convCase("DepthwiseConv2D", dilated), depthwise(kind), SCALAR);
    });
  }

  it("float32: hard-swish", async () => {
    await check(denseCase("float32", 3, 5, 16, 0, { kind: "hardswish" }), conv("float32"), SCALAR);
    const c = { kind: "float32", seed: 1, input: [1, 4, 5, 3], outputs: 3, kernel: [3, 3], activation: { kind: "hardswish" } } as const;
    await check(convCase("DepthwiseConv2D", c), depthwise("float32"), SCALAR);
  });

  it("are told from wrong ones by one element", async () => {
    const base = denseCase("int8", 3, 5, 16);
    const wrong = { ...base, expected: new Int8Array(15).fill(99) };
    await expect(check(wrong, "i8_conv_doubles_2x8", SCALAR)).rejects.toThrow(/got .*, expected 99/);
  });
});

describe("simd=off", () => {
  it("leaves what has no scalar kernel to the cpu engine, and says so", async () => {
    const b = new GraphBuilder("mixed");
    const x = b.input("x", "float32", [1, 4, 4, 2]);
    const w = b.constant("w", "float32", [3, 1, 1, 2], Float32Array.of(1, 2, 3, 4, 5, 6));
    const conv1 = b.add("Conv2D", "conv", [x, w], { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1 });
    const sigmoid = b.add("Unary", "sigmoid", [conv1], { fn: "sigmoid" });
    const graph = b.finish([b.add("Reshape", "flat", [sigmoid], {}, { shape: [1, 48] })]);
    const session = await wasmEngine.compile(graph, context, { simd: "off" });
    const placement = session.placement().map(({ node, engine, kernel }) => [node, engine, kernel.split("__")[1]]);
    expect(placement).toEqual([
      ["conv", "wasm", "wasm_scalar"],
      ["sigmoid", "cpu", "cpu"],
      ["flat", "wasm", "wasm_scalar"],
    ]);
    expect((await session.run([new Float32Array(32)]))[0]).toEqual(new Float32Array(48).fill(0.5));
  });
});

describeVectors("wasm:simd=off", wasmEngine, context, { engineOptions: { simd: "off" } });
