/**
 * WebGL through gpu.js in a real headless browser, through the built page: kernels that gpu.js has to translate from what the bundler made of
 * them. A context and programs a case make each slow on a software GPU, so a share of the cases runs, all kinds of them.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareOutputs } from "../../src/engines/tolerance.ts";
import { serializeGraph } from "../../src/graph/serialize.ts";
import { inferAll } from "../../src/harness/infer.ts";
import { openModel } from "../../src/harness/model.ts";
import { checkParity } from "../../src/harness/parity.ts";
import { referenceOutputs } from "../../src/harness/prepare.ts";
import { probeTarget } from "../../src/harness/probe.ts";
import type { TargetProbe } from "../../src/harness/probe.ts";
import { parseTarget } from "../../src/harness/target.ts";
import { openHost } from "../../src/hosts/open.ts";
import type { Host } from "../../src/hosts/host.ts";
import { GPUJS_DECLINES, isFloatCase } from "../engines/gpujs/declines.ts";
import { allCases, prepareCase } from "../engines/vectors.ts";

const MODEL = new URL("../../suites/models/lenet5.onnx", import.meta.url).pathname;
const TARGET = parseTarget("webgl@chrome");
const EACH = 12;
const folder = mkdtempSync(join(tmpdir(), "slimbench-webgl-"));
let probe: TargetProbe;
let host: Host;
beforeAll(async () => {
  probe = await probeTarget(TARGET);
  host = await openHost(probe.place, { silenceMs: 60_000 });
});
afterAll(async () => {
  await host.close();
  rmSync(folder, { recursive: true });
});

describe("webgl in Chrome", () => {
  it("says what it runs on", () => {
    expect(probe).toMatchObject({ available: true, facts: { precision: "float32", textureBits: 32, fractionBits: 23 } });
    expect(probe.software).toBe(/SwiftShader|llvmpipe/.test(String(probe.facts["description"])));
    expect(probe.adapter).toBe(probe.facts["description"]);
  });

  it.each(["auto", "off"])("computes a share of the op vectors, texels=%s", async (texels) => {
    const cases = allCases().filter((opCase) => isFloatCase(opCase) && !GPUJS_DECLINES.includes(opCase.op));
    const failures: string[] = [];
    const chosen = cases.filter((_, i) => i % EACH === (texels === "auto" ? 0 : 3));
    for (const opCase of chosen) {
      const { title, graph, inputs, expected, tolerance } = prepareCase(opCase);
      const graphPath = join(folder, "case.graph");
      writeFileSync(graphPath, serializeGraph(graph));
      await host.request("open", { engine: "webgl", options: { texels }, graphPath });
      const { outputs } = await host.request("run", { inputs });
      const { pass, message } = compareOutputs([expected], outputs, tolerance);
      if (!pass) failures.push(`${title}: ${message}`);
    }
    expect(failures).toEqual([]);
    expect(chosen.length).toBeGreaterThan(20);
  });

  it("runs a whole net within its derived tolerance", async () => {
    const { graph } = await openModel(MODEL, {});
    const inputs = [[Float32Array.from({ length: 784 }, (_, i) => ((i * 31) % 97) / 97)]];
    const outputs = await inferAll(graph, TARGET, inputs, { silenceMs: 60_000, probe });
    const { parity, message } = checkParity(graph, await referenceOutputs(graph, inputs), outputs);
    expect(parity.pass, message).toBe(true);
    const spoiled = outputs.map((list) => list.map((data) => data.map((v, i) => (i === 3 ? v + 0.01 : v))));
    expect(checkParity(graph, await referenceOutputs(graph, inputs), spoiled as typeof outputs).parity.pass).toBe(false);
  });
});
