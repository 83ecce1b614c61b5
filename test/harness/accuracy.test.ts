import { describe, expect, it } from "vitest";
import { describeAccuracy, ReferencePredictions } from "../../src/harness/accuracy.ts";
import { sampleIndices, samplesWithin } from "../../src/harness/order.ts";

describe("samplesWithin", () => {
  it.each([
    [10_000, 0.1, 5000, Infinity, 10_000],
    [10_000, 1, 5000, Infinity, 5000],
    [10_000, 1.01, 5000, Infinity, 2000],
    [10_000, 1000, 5000, Infinity, 50],
    [30, 1000, 5000, Infinity, 30],
    [10_000, 0.1, 5000, 200, 200],
    [10_000, 1000, Infinity, Infinity, 10_000],
  ])("%d samples of %d ms within %d ms, at most %d: %d", (count, ms, budget, most, expected) => {
    expect(samplesWithin(count, ms, budget, most)).toBe(expected);
  });
});

describe("sampleIndices", () => {
  it("gives all in order, or distinct ones of a seeded shuffle that nest", () => {
    expect([...sampleIndices(5, 5, 1)]).toEqual([0, 1, 2, 3, 4]);
    const few = sampleIndices(1000, 10, 3);
    const more = sampleIndices(1000, 100, 3);
    expect([...more.subarray(0, 10)]).toEqual([...few]);
    expect(new Set(more).size).toBe(100);
    expect([...sampleIndices(1000, 10, 4)]).not.toEqual([...few]);
  });
});

describe("describeAccuracy", () => {
  const labels = [0, 1, 2, 3, 4, 5];

  it("is the share of right answers on the samples that were run", () => {
    const accuracy = describeAccuracy({ labels, indices: Int32Array.of(5, 0, 2, 3), predictions: Int32Array.of(5, 0, 2, 9), seed: 3 });
    expect(accuracy).toEqual({ metric: "top1", value: 0.75, n: 4, of: 6, samples: "first 4 of a shuffle, seed 3" });
  });

  it("says nothing of samples when all were run, nor of a reference without one", () => {
    const all = Int32Array.of(0, 1, 2, 3, 4, 5);
    expect(describeAccuracy({ labels, indices: all, predictions: all, seed: 1 })).toEqual({ metric: "top1", value: 1, n: 6, of: 6 });
  });

  it("compares with the original on the same samples, pair by pair", () => {
    const indices = Int32Array.of(0, 1, 2, 3);
    // The original is right on 0, 1, 2; the compressed model on 0, 3; both say the same on 0 only.
    const accuracy = describeAccuracy({
      labels,
      indices,
      predictions: Int32Array.of(0, 9, 8, 3),
      reference: Int32Array.of(0, 1, 2, 7),
      seed: 1,
      sqnrDb: 20,
    });
    expect(accuracy).toMatchObject({ value: 0.5, reference: 0.75, delta: -0.25, agreement: 0.25, sqnrDb: 20 });
    // Two lost, one gained: a fair coin shows at least that in every case.
    expect(accuracy.deltaP).toBe(1);
    expect(accuracy.deltaCi95?.[0]).toBeLessThan(-0.25);
    expect(accuracy.deltaCi95?.[1]).toBeGreaterThan(-0.25);
  });
});

describe("ReferencePredictions", () => {
  it("prefers the same target, takes another that has all, and never mixes", () => {
    const references = new ReferencePredictions();
    references.add("webgpu", [3, 1], [30, 10]);
    references.add("cpu", [1, 2, 3], [11, 21, 31]);
    expect(references.find("webgpu", [1, 3])).toEqual(Int32Array.of(10, 30));
    expect(references.find("webgpu", [1, 2])).toEqual(Int32Array.of(11, 21));
    expect(references.find("wasm", [3])).toEqual(Int32Array.of(30));
    expect(references.find("cpu", [4])).toBeUndefined();
  });
});
