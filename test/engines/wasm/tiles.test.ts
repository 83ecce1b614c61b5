/** Register tiles at every remainder, against the oracle; each case asserts that the tile under test is the one that ran. */
import { describe, expect, it } from "vitest";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { prepareCase } from "../vectors.ts";
import type { OpCase } from "../vectors.ts";
import { RELU6, check, convCase, denseCase, grid } from "./cases.ts";
import type { ConvCase, Kind } from "./cases.ts";
import { context } from "./context.ts";

const KINDS: readonly Kind[] = ["float32", "int8", "uint8"];
const type = (kind: Kind): string => (kind === "float32" ? "f32" : "i8");

/** 1, tile - 1, tile, tile + 1 of the 4×8 tile and the 24-wide one, a prime. */
const ROWS = [2, 3, 4, 5, 7, 8, 13];
const COLUMNS = [1, 3, 4, 5, 7, 8, 9, 13, 16, 17, 23, 24, 25];
const DEPTHS = [1, 2, 3, 7, 8, 9, 31];

describe("dense tiles", () => {
  for (const kind of KINDS) {
    const gemm = kind === "float32" ? "f32_gemm_packed_4x8" : "i8_gemm_pairs_4x8";
    it(`${kind}: every remainder of rows and columns`, async () => {
      for (const m of ROWS) for (const n of COLUMNS) await check(denseCase(kind, m, n, 7), gemm);
    });
    it(`${kind}: every remainder of the depth`, async () => {
      for (const k of DEPTHS) for (const n of [3, 8, 13]) await check(denseCase(kind, 5, n, k, 0, RELU6), gemm);
    });
    it(`${kind}: one row`, async () => {
      for (const n of COLUMNS)
        for (const k of DEPTHS) await check(denseCase(kind, 1, n, k), kind === "float32" ? "f32_gemv_packed_1x24" : gemm);
    });
  }

  it("float32: blocks of rows and hard-swish", async () => {
    // 512 floats a row make blocks of 64 rows.
    await check(denseCase("float32", 67, 9, 512, 0, { kind: "hardswish" }), "f32_gemm_packed_4x8");
  });
});

describe("requantization range", () => {
  /** Outputs saturate at both ends for scales up to the bound; beyond it the node belongs to the cpu engine. */
  const scaled = (scale: number): OpCase => {
    const base = denseCase("int8", 5, 9, 16);
    return { ...base, name: `${base.name}, scale ${scale}`, output: { ...base.output, quant: grid(scale, 5) } };
  };

  it("int8: large scales are exact", async () => {
    for (const scale of [1e-2, 1e-3, 1e-4]) await check(scaled(scale), "i8_gemm_pairs_4x8");
  });

  it("int8: accumulators beyond 2^22 after scaling run on the cpu engine", async () => {
    const { graph, inputs, expected } = prepareCase(scaled(1e-6));
    const session = await wasmEngine.compile(graph, context, { relaxed: "off" });
    expect(session.placement()[0]?.engine).toBe("cpu");
    expect(await session.run(inputs)).toEqual([expected]);
  });
});

describe("convolution windows", () => {
  const SHAPES: readonly Omit<ConvCase, "kind" | "seed">[] = [
    { input: [1, 5, 6, 3], outputs: 8, kernel: [3, 3] },
    { input: [2, 7, 5, 3], outputs: 5, kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    { input: [1, 8, 9, 1], outputs: 6, kernel: [5, 5], pads: [2, 2, 2, 2], activation: RELU6 },
    { input: [1, 11, 4, 1], outputs: 7, kernel: [10, 4], strides: [2, 2], pads: [4, 1, 5, 1] },
    { input: [1, 9, 9, 4], outputs: 9, kernel: [3, 3], dilations: [2, 2], pads: [2, 2, 2, 2] },
    { input: [1, 6, 6, 5], outputs: 4, kernel: [3, 2], strides: [1, 2], pads: [0, 1, 2, 0], withBias: false },
    { input: [1, 6, 7, 8], outputs: 12, kernel: [3, 3], groups: 4, pads: [1, 1, 1, 1] },
    { input: [1, 4, 4, 6], outputs: 4, kernel: [1, 1], groups: 2, strides: [2, 1] },
    { input: [3, 4, 4, 9], outputs: 10, kernel: [1, 1], strides: [2, 2] },
    { input: [2, 4, 5, 3], outputs: 10, kernel: [4, 5] },
  ];
  for (const kind of KINDS) {
    it(`${kind}: kernels, strides, dilations, pads, groups, batches`, async () => {
      for (const [i, shape] of SHAPES.entries()) {
        const kernel = kind === "float32" ? "f32_conv_indirect_4x8" : "i8_conv_pairs_4x8";
        await check(convCase("Conv2D", { ...shape, kind, seed: i }), kernel);
      }
    });
    it(`${kind}: windows of one pixel are rows of the padded image, not of the image`, async () => {
      const kernel = kind === "float32" ? "f32_gemm_packed_4x8" : "i8_conv_pairs_4x8";
      for (const pads of [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [1, 2, 1, 1],
      ] as const) {
        for (const channels of [1, 4, 9]) {
          await check(convCase("Conv2D", { kind, seed: channels, input: [2, 3, 2, channels], outputs: 5, kernel: [1, 1], pads }), kernel);
        }
      }
    });
    it(`${kind}: a window as large as the image is a dense layer`, async () => {
      await check(
        convCase("Conv2D", { kind, seed: 3, input: [1, 4, 5, 3], outputs: 10, kernel: [4, 5] }),
        kind === "float32" ? "f32_gemv_packed_1x24" : "i8_gemm_pairs_4x8",
      );
    });
  }
});

describe("depthwise tiles", () => {
  for (const kind of KINDS) {
    for (const kw of [3, 5]) {
      for (const stride of [1, 2]) {
        it(`${kind}: width ${kw}, stride ${stride}, every remainder of columns and channels`, async () => {
          const columns = kind !== "float32" || (kw === 3 && stride === 1) ? 4 : kw === 3 ? 3 : 2;
          const kernel = `${type(kind)}_depthwise_w${kw}s${stride}_1x${columns}`;
          const pad = kw >> 1;
          for (const w of [1, 2, 5, 6, 7, 8, 9, 16, 19]) {
            for (const c of [2, 3, 4, 5, 8, 11]) {
              const shape = {
                kind,
                seed: w * 100 + c,
                input: [1, 6, w, c],
                outputs: c,
                kernel: [kw, kw],
                strides: [stride, stride],
              } as const;
              await check(convCase("DepthwiseConv2D", { ...shape, pads: [pad, pad, pad, pad] }), kernel);
              if (w >= kw) await check(convCase("DepthwiseConv2D", { ...shape, activation: RELU6 }), kernel);
            }
          }
        });
      }
    }
    it(`${kind}: uneven kernels, strides, pads and batches`, async () => {
      const w3 = `${type(kind)}_depthwise_w3s1_1x4`;
      await check(
        convCase("DepthwiseConv2D", {
          kind,
          seed: 1,
          input: [2, 9, 7, 6],
          outputs: 6,
          kernel: [5, 3],
          strides: [2, 1],
          pads: [0, 2, 3, 0],
        }),
        w3,
      );
      await check(convCase("DepthwiseConv2D", { kind, seed: 2, input: [1, 4, 8, 9], outputs: 9, kernel: [1, 3], pads: [2, 0, 1, 1] }), w3);
      const direct = `${type(kind)}_depthwise_direct_1x1`;
      await check(
        convCase("DepthwiseConv2D", {
          kind,
          seed: 3,
          input: [2, 7, 9, 5],
          outputs: 5,
          kernel: [3, 3],
          dilations: [2, 2],
          pads: [2, 2, 2, 2],
        }),
        direct,
      );
      await check(
        convCase("DepthwiseConv2D", {
          kind,
          seed: 4,
          input: [1, 8, 8, 12],
          outputs: 12,
          kernel: [4, 2],
          strides: [1, 3],
          pads: [1, 1, 2, 0],
        }),
        direct,
      );
    });
    it(`${kind}: any border left and right, and images narrower than a tile`, async () => {
      for (const [kw, stride] of [
        [3, 1],
        [3, 2],
        [5, 1],
        [5, 2],
      ] as const) {
        const columns = kind !== "float32" || (kw === 3 && stride === 1) ? 4 : kw === 3 ? 3 : 2;
        for (let left = 0; left < kw; left++) {
          for (let right = 0; right < kw; right++) {
            for (const width of [2, 3, 4, 5, 7, 12]) {
              if (width + left + right < kw) continue;
              const [seed, channels] = [width * 100 + left * 10 + right, 9];
              const shape = { kind, seed, input: [1, 3, width, channels], outputs: channels, kernel: [3, kw] } as const;
              await check(
                convCase("DepthwiseConv2D", { ...shape, strides: [1, stride], pads: [1, left, 1, right] }),
                `${type(kind)}_depthwise_w${kw}s${stride}_1x${columns}`,
              );
            }
          }
        }
      }
    });
    it(`${kind}: channel multiplier`, async () => {
      const kernel = kind === "float32" ? "f32_conv_indirect_4x8" : "i8_conv_pairs_4x8";
      await check(
        convCase("DepthwiseConv2D", { kind, seed: 5, input: [1, 6, 5, 3], outputs: 6, kernel: [3, 3], pads: [1, 1, 1, 1] }),
        kernel,
      );
      await check(convCase("DepthwiseConv2D", { kind, seed: 6, input: [1, 6, 5, 1], outputs: 9, kernel: [3, 3], strides: [2, 2] }), kernel);
    });
  }
});
