/** The memory plan over whole models: within a tenth of what no plan can do without. */
import { describe, expect, it } from "vitest";
import { planArena } from "../../src/engines/plan.ts";
import { FLOAT_MODELS, INT16_MODELS, INT8_MODELS } from "./models.ts";

/** Alignment and padding as in the WASM engine. */
const ALIGNMENT = 64;
const PAD_BYTES = 64;

describe("arena over whole models", () => {
  it.each([...FLOAT_MODELS, ...INT8_MODELS, ...INT16_MODELS].map((model) => [model.name, model] as const))("%s", async (_, { load }) => {
    const graph = await load();
    const { peakBytes, lowerBoundBytes } = planArena(graph, ALIGNMENT, PAD_BYTES);
    expect(lowerBoundBytes).toBeGreaterThan(0);
    expect(peakBytes / lowerBoundBytes).toBeGreaterThanOrEqual(1);
    expect(peakBytes / lowerBoundBytes).toBeLessThanOrEqual(1.1);
  });
});
