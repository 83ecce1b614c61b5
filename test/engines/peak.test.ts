/** The loops that bound an engine: they run, they keep their sums, and they count what they do. */
import { describe, expect, it } from "vitest";
import { cpuPeaks } from "../../src/engines/cpu/peak.ts";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import { wasmPeaks } from "../../src/engines/wasm/peak.ts";
import { copyLoop, timedLoop } from "../../src/engines/peak.ts";
import { context } from "./wasm/context.ts";

describe("peaks", () => {
  it("cpu has one for each type", () => {
    const peaks = cpuPeaks();
    expect(peaks.map(({ type }) => type)).toEqual(["float32", "int8"]);
    for (const { run, operations } of peaks) {
      expect(operations).toBe(2 * 8 * 100_000);
      expect(run).not.toThrow();
    }
  });

  it("wasm counts four lanes, twelve sums and every thread", async () => {
    const [float, int8, ...others] = await wasmPeaks(true, new Set(), 1);
    expect(others).toEqual([]);
    expect(float).toMatchObject({ type: "float32", operations: 8 * 12 * 20_000 });
    expect(int8).toMatchObject({ type: "int8", operations: 16 * 12 * 20_000 });
    const [two] = await wasmPeaks(true, new Set(), 2);
    expect(two?.operations).toBe(2 * float!.operations);
  });

  it("wasm's loops leave their sums as they were: factors of one, summands of zero", async () => {
    const [float, int8] = await wasmPeaks(true, new Set(), 1);
    const bits = new Int32Array(Float32Array.from({ length: 12 }, (_, i) => i + 1).buffer);
    expect(float?.run()).toBe(bits.reduce((sum, word) => (sum + word) | 0, 0));
    // Dot products with zeros.
    expect(int8?.run()).toBe(0);
  });

  it("a copy counts bytes read and written, of every thread", () => {
    const { run, operations } = copyLoop(1);
    expect(run()).toBe(1);
    // 128 KiB there and 128 KiB back, 32 times.
    expect(operations).toBe(2 ** 18 * 32);
    expect(copyLoop(3).operations).toBe(3 * operations);
  });

  it("are timed by the host's clock", async () => {
    let time = 0;
    const { ms, ...rest } = timedLoop({ type: "copy", name: "n", operations: 7, run: () => (time += 5) }, () => time);
    expect(rest).toEqual({ type: "copy", name: "n", operations: 7 });
    expect(await ms()).toBe(5);
  });

  it("wasm without SIMD counts scalars: one product in a single, two in a double, whose sums stay too", async () => {
    const [float, int8, ...others] = await wasmPeaks(false, new Set(), 1);
    expect(others).toEqual([]);
    expect(float).toMatchObject({ type: "float32", operations: 2 * 12 * 20_000 });
    expect(int8).toMatchObject({ type: "int8", operations: 4 * 12 * 20_000 });
    const singles = new Int32Array(Float32Array.from({ length: 12 }, (_, i) => i + 1).buffer);
    expect(float?.run()).toBe(singles.reduce((sum, word) => (sum + word) | 0, 0));
    // The lower words of small whole numbers are 0.
    expect(int8?.run()).toBe(0);
  });

  it("wasm has them with and without SIMD", async () => {
    for (const simd of ["auto", "off"]) {
      const peaks = await wasmEngine.peaks!(context, simd === "off" ? { simd } : {});
      expect(new Set(peaks.map(({ type }) => type)), simd).toEqual(new Set(["float32", "int8", "copy"]));
      for (const { ms } of peaks) expect(await ms()).toBeGreaterThanOrEqual(0);
    }
  });
});
