/** Firefox, where one is installed; skipped by name elsewhere. */
import { rmSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { makePlan } from "../../src/harness/plan.ts";
import { silentReporter } from "../../src/harness/progress.ts";
import { runPlan } from "../../src/harness/run.ts";
import { findFirefox } from "../../src/hosts/browser/firefox.ts";
import { makeFixture } from "../harness/fixture.ts";

const installed = await findFirefox().then(
  () => true,
  () => false,
);
const fixture = makeFixture();
afterAll(() => rmSync(fixture.folder, { recursive: true }));

/** Three starts, each up to half a minute on a machine with much else to do. */
const LIMIT_MS = 300_000;

describe.skipIf(!installed)("Firefox", () => {
  it(
    "measures wasm, and says where it has no WebGPU",
    async () => {
      const plan = makePlan({
        preset: "quick",
        seed: 1,
        models: [fixture.model],
        recipes: ["fp32"],
        targets: ["wasm@firefox", "webgpu@firefox"],
        processes: 1,
      });
      const { result } = await runPlan(plan, { reporter: silentReporter, silenceMs: 60_000, signal: new AbortController().signal });
      const [wasm, webgpu] = result.records;
      expect(wasm).toMatchObject({ status: "ok", parity: { pass: true } });
      // Firefox tells nobody how large its heap is.
      expect(wasm?.memoryBytes).not.toHaveProperty("jsHeap");
      expect(result.environment.engines?.["wasm@firefox"]?.facts?.["browser"]).toMatch(/^firefox\/\d+/);
      if (webgpu?.status !== "ok")
        expect(webgpu).toMatchObject({ status: "unavailable", reason: { code: /^no-(gpu|webgpu)$/.exec(webgpu?.reason.code ?? "")?.[0] } });
    },
    LIMIT_MS,
  );
});
