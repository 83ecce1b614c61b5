/** Weight layouts, checked by hand. */
import { describe, expect, it } from "vitest";
import { packDenseF32, packDenseI8, packDepthwiseF32, packDepthwiseI8, packDepthwisePairs } from "../../../src/engines/wasm/pack.ts";
import type { ChannelVectors } from "../../../src/engines/wasm/pack.ts";
import { packDeltasF32, packDeltasI8 } from "../../../src/engines/wasm/pack-deltas.ts";
import { packListsF32, packListsI8 } from "../../../src/engines/wasm/pack-lists.ts";
import { liveIndices, packSparseF32, packSparseI8, zeroShare } from "../../../src/engines/wasm/pack-sparse.ts";
import { countPlaces, packSparseDot } from "../../../src/engines/wasm/pack-sparse-dot.ts";
import { fitsTile, tilePost } from "../../../src/engines/wasm/records.ts";
import { mergeLoops } from "../../../src/engines/wasm/plan/strides.ts";
import { planWindows, rowBlock } from "../../../src/engines/wasm/plan/windows.ts";

const halves = (words: ArrayBufferView): Int16Array => new Int16Array(words.buffer);
const floats = (words: ArrayBufferView): Float32Array => new Float32Array(words.buffer);

describe("dense panels", () => {
  it("f32: bias, then 8 outputs for each k", () => {
    const packed = packDenseF32({ data: Float32Array.of(1, 2, 3, 4), offset: 0, n: 2, k: 2 }, Float32Array.of(10, 20));
    expect([...packed]).toEqual([10, 20, 0, 0, 0, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0, 2, 4, 0, 0, 0, 0, 0, 0]);
  });

  it("i8: bias, scales, then pairs; an odd run is padded within its segment", () => {
    const packed = packDenseI8({ data: Int16Array.of(1, 2, 3, 4, 5, 6), offset: 0, n: 1, k: 6 }, 2, Int32Array.of(7), Float32Array.of(0.5));
    expect(packed.length).toBe(16 + 4 * 8);
    expect([packed[0], floats(packed)[8]]).toEqual([7, 0.5]);
    const pairs = [0, 1, 2, 3].map((p) => [halves(packed)[(16 + p * 8) * 2], halves(packed)[(16 + p * 8) * 2 + 1]]);
    expect(pairs).toEqual([
      [1, 2],
      [3, 0],
      [4, 5],
      [6, 0],
    ]);
  });

  it("takes a group's rows from the offset", () => {
    const packed = packDenseF32({ data: Float32Array.of(9, 9, 1, 2), offset: 2, n: 1, k: 2 }, Float32Array.of(0));
    expect([packed[8], packed[16]]).toEqual([1, 2]);
  });
});

describe("depthwise panels", () => {
  it("f32: bias, then 4 channels for each tap", () => {
    const pack = (vectors: ChannelVectors): number[] => [
      ...packDepthwiseF32(Float32Array.of(1, 2, 3, 4, 5, 11, 12, 13, 14, 15), 2, 5, Float32Array.of(21, 22, 23, 24, 25), vectors),
    ];
    const first = [21, 22, 23, 24, 1, 2, 3, 4, 11, 12, 13, 14];
    expect(pack("inTurn")).toEqual([...first, 25, 0, 0, 0, 5, 0, 0, 0, 15, 0, 0, 0]);
    // The last vector ends with the last channel.
    expect(pack("overlapping")).toEqual([...first, 22, 23, 24, 25, 2, 3, 4, 5, 12, 13, 14, 15]);
    expect([...packDepthwiseF32(Float32Array.of(1, 2), 1, 2, Float32Array.of(3, 4), "overlapping")]).toEqual([3, 4, 0, 0, 1, 2, 0, 0]);
  });

  it("i8: the last vector ends with the last channel", () => {
    const nine = Int16Array.from({ length: 9 }, (_, c) => c + 1);
    const scales = Float32Array.from(nine, (c) => c / 2);
    const packed = packDepthwisePairs(
      nine,
      [1, 1],
      9,
      Int32Array.from(nine, (c) => 10 * c),
      scales,
      0,
    );
    expect([...packed.subarray(0, 8), ...packed.subarray(24, 32)]).toEqual([
      10, 20, 30, 40, 50, 60, 70, 80, 20, 30, 40, 50, 60, 70, 80, 90,
    ]);
    expect([...floats(packed).subarray(32, 40)]).toEqual([...scales.subarray(1)]);
    expect([...halves(packed).subarray(80, 84)]).toEqual([2, 0, 3, 0]);
  });

  it("i8: rows in pairs, a missing last row zero", () => {
    const packed = packDepthwiseI8(Int16Array.of(1, 2, 3), 3, 1, 1, Int32Array.of(4), Float32Array.of(2));
    expect(packed.length).toBe(16 + 2 * 8);
    expect([...halves(packed).subarray(32, 34), ...halves(packed).subarray(48, 50)]).toEqual([1, 2, 3, 0]);
  });

  it("i8: rows in pairs, an odd last row by neighbours, bias less the zero point's products", () => {
    const packed = packDepthwisePairs(Int16Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), [3, 3], 1, Int32Array.of(100), Float32Array.of(2), -3);
    expect(packed.length).toBe(16 + 5 * 8);
    expect([packed[0], new Float32Array(packed.buffer)[8]]).toEqual([100 + 3 * 45, 2]);
    const pairs = [0, 1, 2, 3, 4].map((i) => [...halves(packed).subarray(32 + i * 16, 34 + i * 16)]);
    expect(pairs).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
      [7, 8],
      [9, 0],
    ]);
  });
});

describe("sparse streams", () => {
  // Panel 0 uses inputs 1 and 3, panel 1 (output 8) input 0.
  const data = new Float32Array(9 * 4);
  data[0 * 4 + 1] = 1.5;
  data[7 * 4 + 3] = 2.5;
  data[8 * 4 + 0] = 3.5;
  const matrix = { data, offset: 0, n: 9, k: 4 };

  it("finds live inputs and the share of zero blocks", () => {
    const live = liveIndices(matrix);
    expect(live.map((indices) => [...indices])).toEqual([[1, 3], [0]]);
    expect(liveIndices(matrix, 4).map((indices) => [...indices])).toEqual([[1], [3], [0]]);
    expect(liveIndices(matrix, 1).map((indices) => [...indices])).toEqual([[1], [], [], [], [], [], [], [3], [0]]);
    expect([8, 4, 1].map((outputs) => zeroShare(matrix, outputs))).toEqual([1 - 3 / 8, 1 - 3 / 12, 1 - 3 / 36]);
    expect(zeroShare({ ...matrix, data: new Float32Array(36) }, 8)).toBe(1);
    expect(zeroShare({ ...matrix, data: new Float32Array(36).fill(1) }, 1)).toBe(0);
    expect(zeroShare({ ...matrix, n: 0 }, 8)).toBe(0);
  });

  it("f32: count, bias, offsets padded to 4, values", () => {
    const bias = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
    const packed = packSparseF32(matrix, liveIndices(matrix), bias, (k) => k * 4);
    expect(packed.length).toBe(12 + 4 + 16 + 12 + 4 + 8);
    expect([packed[0], packed[12], packed[13]]).toEqual([2, 4, 12]);
    expect([...floats(packed).subarray(4, 12)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([floats(packed)[16], floats(packed)[24 + 7]]).toEqual([1.5, 2.5]);
    expect([packed[32], floats(packed)[36], packed[44], floats(packed)[48]]).toEqual([1, 9, 0, 3.5]);
  });

  it("i8: two inputs a step, an odd last one with itself at weight 0", () => {
    const weights = new Int16Array(8 * 3).fill(5);
    const whole = { data: weights, offset: 0, n: 8, k: 3 };
    const packed = packSparseI8(whole, liveIndices(whole), new Int32Array(8), new Float32Array(8).fill(1), (k) => k * 8);
    expect([packed[0], ...packed.subarray(20, 24)]).toEqual([2, 0, 8, 16, 16]);
    expect([...halves(packed).subarray(48, 50), ...halves(packed).subarray(64, 66)]).toEqual([5, 5, 5, 0]);
  });

  it("lists of 16-bit rows, f32: whole steps, the last filled with weights of zero", () => {
    const packed = packListsF32(matrix, liveIndices(matrix), Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), {
      outputs: 8,
      step: 2,
      stride: 3,
    });
    // 16 count, 32 bias, 4 rows in 16, values 2 × 32; and again.
    expect(packed.length * 4).toBe(2 * (16 + 32 + 16 + 64));
    expect([packed[0], packed[32], ...new Uint16Array(packed.buffer, 48, 2), ...new Uint16Array(packed.buffer, 176, 2)]).toEqual([
      2, 2, 3, 9, 0, 0,
    ]);
    expect([...floats(packed).subarray(4, 12)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([floats(packed)[16], floats(packed)[24 + 7], floats(packed)[48], floats(packed)[56]]).toEqual([1.5, 2.5, 3.5, 0]);
    expect([floats(packed)[36], floats(packed)[37]]).toEqual([9, 0]);
  });

  it("lists of one output lie close", () => {
    const packed = packListsF32(matrix, liveIndices(matrix, 1), new Float32Array(9).fill(2), { outputs: 1, step: 1, stride: 1 });
    // Count, bias and, where there is an entry, one row in 4 bytes and one value.
    expect([...packed.subarray(0, 4)]).toEqual([
      1,
      ...new Uint32Array(Float32Array.of(2).buffer),
      1,
      ...new Uint32Array(Float32Array.of(1.5).buffer),
    ]);
    expect([packed.length, packed[4]]).toEqual([6 * 2 + 3 * 4, 0]);
  });

  it("lists of 16-bit rows, i8: pairs of int16 behind bias and scales", () => {
    const whole = { data: Int16Array.of(1, 2, 3, 4, 5, 6), offset: 0, n: 2, k: 3 };
    const packed = packListsI8(whole, liveIndices(whole, 4), Int32Array.of(7, 8), Float32Array.of(0.5, 0.25), {
      outputs: 4,
      step: 2,
      stride: 1,
    });
    expect([packed[0], ...packed.subarray(4, 6), ...floats(packed).subarray(8, 10)]).toEqual([2, 7, 8, 0.5, 0.25]);
    expect([...new Uint16Array(packed.buffer, 48, 4)]).toEqual([0, 1, 2, 2]);
    expect([...halves(packed).subarray(32, 36), ...halves(packed).subarray(40, 44)]).toEqual([1, 2, 4, 5, 3, 0, 6, 0]);
  });

  it("distances, f32: the first from the block's start, each beside its weight", () => {
    const sparse = { data: Float32Array.of(0, 0, 1.5, 0, 2.5, 0, 0, 0, 0, 0), offset: 0, n: 2, k: 5 };
    const packed = packDeltasF32(sparse, liveIndices(sparse, 1), Float32Array.of(3, 4), 96);
    expect([packed.length, packed[0], packed[2], packed[4], packed[6]]).toEqual([8, 2, 192, 192, 0]);
    expect([1, 3, 5, 7].map((i) => floats(packed)[i])).toEqual([3, 1.5, 2.5, 4]);
  });

  it("distances, i8: two a step, an odd one filled up by staying where it is", () => {
    const sparse = { data: Int16Array.of(5, 0, 6, 7), offset: 0, n: 1, k: 4 };
    const packed = packDeltasI8(sparse, liveIndices(sparse, 1), Int32Array.of(9), Float32Array.of(0.5), 48);
    expect([packed.length, packed[0], packed[1], floats(packed)[2]]).toEqual([9, 2, 9, 0.5]);
    expect([...packed.subarray(3, 5), ...packed.subarray(6, 8)]).toEqual([0, 96, 48, 0]);
    expect([...halves(packed).subarray(10, 12), ...halves(packed).subarray(16, 18)]).toEqual([5, 6, 7, 0]);
  });

  it("no live input leaves bias and count 0", () => {
    const packed = packSparseF32({ data: new Float32Array(3), offset: 0, n: 1, k: 3 }, [new Int32Array(0)], Float32Array.of(6), (k) => k);
    expect([packed.length, packed[0], floats(packed)[4]]).toEqual([12, 0, 6]);
  });

  const far = { data: new Int16Array(2 * 40), offset: 0, n: 2, k: 40 };
  [0, 5, 15, 16, 17, 18, 19, 39].forEach((at, i) => (far.data[at] = i + 1));
  [2, 18].forEach((at) => (far.data[40 + at] = -7));
  const asStored = (k: number): number => k;

  it("8-bit dot product, shared picks: steps of up to four inputs within 16 bytes", () => {
    // 0 2 5 15 | 16 17 18 19 | 39
    expect(countPlaces(far, "shared", asStored)).toEqual({ places: 3 * 4 * 8, live: 9 * 8 });
    const packed = packSparseDot(far, "shared", Int32Array.of(10, 20), Float32Array.of(0.5, 2), asStored);
    const bytes = new Int8Array(packed.buffer);
    expect([...packed.subarray(0, 6)]).toEqual([3, 0, 0, 0, 10, 20]);
    expect([...new Float32Array(packed.buffer).subarray(12, 15)]).toEqual([0.5, 2, 0]);
    const fronts = [0, 1, 2].map((step) => [packed[20 + step * 2], ...bytes.subarray(84 + step * 8, 88 + step * 8)]);
    expect(fronts).toEqual([
      [0, 0, 2, 5, 15],
      [16, 0, 1, 2, 3],
      [39, 0, 0, 0, 0],
    ]);
    // Six words of fronts are filled up to eight.
    const weights = [0, 1, 2].map((step) => [...bytes.subarray(112 + step * 32, 120 + step * 32)]);
    expect(weights).toEqual([
      [1, 0, 2, 3, 0, -7, 0, 0],
      [4, 5, 6, 7, 0, 0, -7, 0],
      [8, 0, 0, 0, 0, 0, 0, 0],
    ]);
    expect(packed.length).toBe(20 + 8 + 3 * 8);
  });

  it("8-bit dot product, picks of every output's own: each goes on where it stopped", () => {
    // Output 0: 0 5 15 | 16 17 18 19 | 39; output 1: 2 | 18 | -
    expect(countPlaces(far, "own", asStored)).toEqual({ places: 3 * 4 * 8, live: 10 });
    const packed = packSparseDot(far, "own", Int32Array.of(10, 20), Float32Array.of(0.5, 2), asStored);
    const bytes = new Int8Array(packed.buffer);
    expect([...packed.subarray(20, 23)]).toEqual([0, 16, 39]);
    const bodies = [0, 1, 2].map((step) => (20 + 4 + step * 16) * 4);
    expect(bodies.map((at) => [...bytes.subarray(at, at + 8)])).toEqual([
      [0, 5, 15, 0, 2, 0, 0, 0],
      [0, 1, 2, 3, 2, 0, 0, 0],
      [0, 0, 0, 0, 0, 0, 0, 0],
    ]);
    expect(bodies.map((at) => [...bytes.subarray(at + 32, at + 40)])).toEqual([
      [1, 2, 3, 0, -7, 0, 0, 0],
      [4, 5, 6, 7, -7, 0, 0, 0],
      [8, 0, 0, 0, 0, 0, 0, 0],
    ]);
    expect(countPlaces({ ...far, data: new Int16Array(80) }, "own", asStored)).toEqual({ places: 0, live: 0 });
  });
});

describe("requantization range", () => {
  const one = Float32Array.of(1);
  const first = (): number => 0;

  it("is bounded by the weights, the bias and the scale of each channel", () => {
    const limit = 2 ** 22 - 512;
    const weights = Int16Array.of(100, -100);
    expect(fitsTile(weights, first, undefined, one)).toBe(true);
    expect(fitsTile(weights, first, undefined, Float32Array.of(limit / (255 * 200)))).toBe(false);
    expect(fitsTile(weights, first, Int32Array.of(-limit), one)).toBe(false);
    expect(fitsTile(weights, (i) => i, undefined, Float32Array.of(1, limit / (255 * 100)))).toBe(false);
    expect(fitsTile(weights, first, undefined, Float32Array.of(NaN))).toBe(false);
  });

  it("post records hold bounds as signed bytes", () => {
    const post = tilePost(130, 10, 250, false, Int32Array.of(7));
    const bytes = new Int8Array(post.buffer);
    expect([bytes[64], bytes[80], bytes[96], post[28]]).toEqual([10 - 128, 250 - 128, -128, 7]);
    expect(post[12]! - post[8]!).toBe(128);
  });
});

describe("windows and loops", () => {
  const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 1 } as const;

  it("a 3×3 window is three runs of 3 × C", () => {
    const windows = planWindows([1, 4, 5, 2], [1, 2, 3, 8], [3, 3], attrs);
    expect([windows.m, windows.run, ...windows.segments]).toEqual([6, 6, 0, 10, 20]);
    expect([...windows.rows]).toEqual([0, 2, 4, 10, 12, 14]);
  });

  it("padding widens the image; 1×1 at stride 1 is a plain matrix", () => {
    const { segments } = planWindows([1, 4, 4, 2], [1, 4, 4, 8], [3, 3], { ...attrs, pads: [1, 1, 1, 1] });
    expect([...segments]).toEqual([0, 12, 24]);
    expect(planWindows([1, 4, 4, 2], [1, 4, 4, 8], [1, 1], attrs).stride).toBe(2);
    expect(planWindows([1, 4, 4, 2], [1, 2, 2, 8], [1, 1], { ...attrs, strides: [2, 2] }).stride).toBeUndefined();
  });

  it("row blocks are multiples of 4 and never empty", () => {
    expect([rowBlock(1, 4), rowBlock(1000, 1e9), rowBlock(1000, 4096)]).toEqual([4, 32, 32]);
    expect(rowBlock(1000, 1024) % 4).toBe(0);
  });

  it("merges neighbouring dimensions only where every stride agrees", () => {
    expect(mergeLoops([2, 3, 4], [[12, 4, 1]])).toEqual({ dims: [24], strides: [[1]] });
    expect(
      mergeLoops(
        [2, 3, 4],
        [
          [12, 4, 1],
          [0, 0, 1],
        ],
      ),
    ).toEqual({
      dims: [6, 4],
      strides: [
        [4, 1],
        [0, 1],
      ],
    });
    expect(mergeLoops([1, 1], [[0, 0]])).toEqual({ dims: [1], strides: [[0]] });
  });
});
