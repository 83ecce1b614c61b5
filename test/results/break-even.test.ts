import { describe, expect, it } from "vitest";
import { breakEvens, sweepOf } from "../../src/results/break-even.ts";
import { RESULT_SCHEMA, type OkRecord } from "../../src/results/schema.ts";
import { checkResult } from "../../src/results/store.ts";
import { environment, latency, okRecord } from "./fixtures.ts";

const row = (recipe: string, target: string, zeros: number, ms: number, model = "pw1"): OkRecord =>
  okRecord({ model, recipe, target, latencyMs: latency(ms), compute: { macs: 1000, effectiveMacs: Math.round(1000 * (1 - zeros)) } });

describe("sweepOf", () => {
  it("finds the dense record that a row of a sweep is compared with", () => {
    expect(sweepOf({ recipe: "prune:0.5,block=1x8,include=*", target: "wasm:sparse=on" })).toEqual({
      target: "wasm",
      pattern: "prune:X,block=1x8,include=*",
      dense: "fp32",
    });
    expect(sweepOf({ recipe: "prune:0.5+int8", target: "wasm:threads=2,sparse=on" })).toEqual({
      target: "wasm:threads=2",
      pattern: "prune:X+int8",
      dense: "int8",
    });
  });

  it("takes nothing else for a sweep", () => {
    for (const [recipe, target] of [
      ["prune:0.5", "wasm"],
      ["fp32", "wasm:sparse=on"],
      ["prune:0.5", "wasm:sparse=off"],
    ] as const) {
      expect(sweepOf({ recipe, target })).toBeUndefined();
    }
  });
});

describe("breakEvens", () => {
  const records = [
    row("fp32", "wasm", 0, 2),
    row("int8", "wasm", 0, 1),
    row("prune:0.5", "wasm:sparse=on", 0.5, 1),
    row("prune:0.1", "wasm:sparse=on", 0.1, 3),
    row("prune:0.5+int8", "wasm:sparse=on", 0.5, 1.5),
    row("prune:0.9+int8", "wasm:sparse=on", 0.9, 1.25),
    row("prune:0.9,block=1x8", "wasm:sparse=on", 0.9, 0.5),
    // Other layers and engines, and no dense record for them.
    row("prune:0.5", "wasm:sparse=on", 0.5, 1, "pw2"),
    row("prune:0.5", "cpu:sparse=on", 0.5, 1),
  ];

  it("interpolates, per layer, target and pattern, against the dense record of the same type", () => {
    const found = breakEvens(records);
    expect(found).toEqual([
      {
        model: "pw1",
        target: "wasm",
        pattern: "prune:X",
        relation: "at",
        // 1.5 at 10 %, 0.5 at 50 %.
        zeros: expect.closeTo(0.3, 12) as number,
        points: [
          { zeros: expect.closeTo(0.1, 12) as number, speedup: expect.closeTo(2 / 3, 12) as number },
          { zeros: 0.5, speedup: 2 },
        ],
      },
      expect.objectContaining({ pattern: "prune:X+int8", relation: "above", zeros: expect.closeTo(0.9, 12) as number }),
      expect.objectContaining({ pattern: "prune:X,block=1x8", relation: "below", zeros: expect.closeTo(0.9, 12) as number }),
    ]);
    const result = { schema: RESULT_SCHEMA, createdAt: "2026-11-24T10:00:00Z", tool: { version: "0" }, environment, config: {}, records, breakEven: found };
    expect(() => checkResult(JSON.parse(JSON.stringify(result)), "test")).not.toThrow();
  });

  it("counts only rows that are ok", () => {
    const failed = { model: "pw1", recipe: "fp32", target: "wasm", status: "failed", reason: { code: "x", message: "", remedy: "" } } as const;
    expect(breakEvens([failed, ...records.slice(2)])).toEqual([]);
    expect(breakEvens([])).toEqual([]);
  });
});
