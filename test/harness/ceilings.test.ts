/** The roofline: the longer of arithmetic and memory bounds, and what is unknown stays absent. */
import { describe, expect, it } from "vitest";
import { boundOf, ceilingsOf } from "../../src/harness/ceilings.ts";

const PEAKS = [
  { type: "float32", name: "slow", operations: 1e6, samples: [1, 2], calls: 1 },
  { type: "float32", name: "fast", operations: 2e6, samples: [2, 1], calls: 1 },
  { type: "copy", name: "copy", operations: 1e6, samples: [2], calls: 1 },
  { type: "int8", name: "not timed", operations: 1e6, samples: [], calls: 1 },
] as const;

describe("ceilings", () => {
  it("are the fastest of each type, by their best sample", () => {
    expect(ceilingsOf(PEAKS)).toEqual([
      { type: "float32", name: "fast", giga: 2 },
      { type: "copy", name: "copy", giga: 0.5 },
    ]);
  });

  it("bound an op by what takes longer", () => {
    const ceilings = ceilingsOf(PEAKS);
    // 2e6 operations at 2e9 a second take 1 ms, 1e5 bytes at 0.5e9 take 0.2 ms.
    expect(boundOf({ type: "float32", macs: 1e6, bytes: 1e5 }, 4, ceilings)).toEqual({ by: "compute", share: 0.25 });
    expect(boundOf({ type: "float32", macs: 0, bytes: 1e6 }, 4, ceilings)).toEqual({ by: "memory", share: 0.5 });
  });

  it("say nothing where the ceiling is unknown", () => {
    const ceilings = ceilingsOf(PEAKS);
    expect(boundOf({ type: "int8", macs: 1, bytes: 1 }, 1, ceilings)).toBeUndefined();
    expect(boundOf({ type: "int8", macs: 0, bytes: 1 }, 1, [])).toBeUndefined();
    expect(boundOf({ type: "float32", macs: 1, bytes: 1 }, 0, ceilings)).toBeUndefined();
  });
});
