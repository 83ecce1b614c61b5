/** The tuner on this engine's own kernels: what it chooses compiles, computes the right thing and stands in the placement. */
import { describe, expect, it } from "vitest";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { compareOutputs } from "../../../src/engines/tolerance.ts";
import { UsageError } from "../../../src/errors.ts";
import { convCase } from "./cases.ts";
import { MemoryStore } from "../tune/memory-store.ts";
import { prepareCase } from "../vectors.ts";
import { context } from "./context.ts";

describe.each(["float32", "int8"] as const)("tuning a %s layer with zero blocks", (kind) => {
  const opCase = convCase("Conv2D", { kind, seed: 5, input: [1, 9, 9, 24], outputs: 32, kernel: [1, 1], zeroShare: 0.6 });
  const { graph, inputs, expected, tolerance } = prepareCase(opCase);

  it("verifies and times every kernel that applies, and keeps the samples", async () => {
    const store = new MemoryStore();
    const report = await wasmEngine.tune!(graph, context, {}, { mode: "cached", store });
    expect(report).toMatchObject({ measured: 1, cached: 0, excluded: [], notes: [], choices: { length: 1 } });
    const [entry] = store.entries.values();
    expect(Object.keys(entry!.samplesMs).length).toBeGreaterThan(1);
    for (const times of Object.values(entry!.samplesMs)) expect(times.length).toBeGreaterThanOrEqual(3);
    expect(entry!.machine).toMatchObject({ engine: "wasm", kernels: expect.stringMatching(/^[0-9a-f]{16}/) as string });
    expect(await wasmEngine.tune!(graph, context, {}, { mode: "cached", store })).toMatchObject({ measured: 0, cached: 1 });

    // Each of them can be chosen, computes the right thing and is what the placement shows.
    for (const kernel of Object.keys(entry!.samplesMs)) {
      const session = await wasmEngine.compile(graph, context, {}, [{ node: graph.nodes[0]!.name, kernel, why: "by hand" }]);
      const comparison = compareOutputs([expected], await session.run(inputs), tolerance);
      expect(comparison.pass, comparison.message).toBe(true);
      expect(session.placement()[0]).toMatchObject({ kernel, why: expect.stringMatching(/; by hand$/) as string });
      session.dispose();
    }
  });

  it("refuses a choice that cannot execute the layer", async () => {
    const choice = { node: graph.nodes[0]!.name, kernel: "f32_softmax__wasm_simd", why: "" };
    await expect(wasmEngine.compile(graph, context, {}, [choice])).rejects.toBeInstanceOf(UsageError);
  });
});
