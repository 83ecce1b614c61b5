/** The tuner on this engine's own kernels: what it chooses compiles, computes the right thing and stands in the placement. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { compareOutputs } from "../../../src/engines/tolerance.ts";
import { MemoryStore } from "../tune/memory-store.ts";
import { prepareCase } from "../vectors.ts";
import { convCase } from "../wasm/cases.ts";
import { keepDevice, testContext } from "./context.ts";

describe.each(["float32", "int8"] as const)("tuning a %s layer with zero blocks", (kind) => {
  const opCase = convCase("Conv2D", { kind, seed: 5, input: [1, 9, 9, 24], outputs: 32, kernel: [1, 1], zeroShare: 0.6 });
  const { graph, inputs, expected, tolerance } = prepareCase(opCase);
  let context: EngineContext;
  let device: SharedDevice;

  beforeAll(async () => {
    context = await testContext();
    device = await keepDevice();
  });
  afterAll(() => device.release());

  it("verifies and times every kernel that applies, keeps the samples, and compiles the winner", async () => {
    const store = new MemoryStore();
    const report = await webgpuEngine.tune!(graph, context, {}, { mode: "force", store });
    expect(report).toMatchObject({ measured: 1, cached: 0, excluded: [], notes: [], choices: { length: 1 } });
    const [entry] = store.entries.values();
    expect(Object.keys(entry!.samplesMs).length).toBeGreaterThan(2);
    expect(entry!.machine).toMatchObject({ engine: "webgpu", kernels: expect.stringMatching(/^[0-9a-f]{16}$/) as string });
    const [choice] = report.choices;
    const session = await webgpuEngine.compile(graph, context, {}, report.choices);
    const comparison = compareOutputs([expected], await session.run(inputs), tolerance);
    expect(comparison.pass, comparison.message).toBe(true);
    expect(session.placement()[0]).toMatchObject({ kernel: choice!.kernel });
    session.dispose();
  });

  it("leaves a software adapter to estimates unless it is forced, and says so", async () => {
    const report = await webgpuEngine.tune!(graph, context, {}, { mode: "cached", store: new MemoryStore() });
    if (device.facts.software) expect(report).toMatchObject({ choices: [], measured: 0, notes: [expect.stringContaining("--tune force")] });
    else expect(report).toMatchObject({ measured: 1, notes: [] });
  });
});
