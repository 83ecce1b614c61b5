/** The page as somebody opens it: it runs what its address says, shows a table, and its download is a result like any other. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makePlan } from "../../src/harness/plan.ts";
import { serveModels } from "../../src/harness/serve.ts";
import type { Served } from "../../src/harness/serve.ts";
import { findChrome } from "../../src/hosts/browser/find.ts";
import { launchBrowser } from "../../src/hosts/browser/launch.ts";
import { checkResult } from "../../src/results/store.ts";
import { makeFixture } from "../harness/fixture.ts";

/** A page's memory is told at the next garbage collection, up to 20 s later: with this flag of Chrome's own tests, at once. */
const EAGER_MEMORY = "--enable-blink-features=ForceEagerMeasureMemory";

const fixture = makeFixture();
let served: Served;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  const plan = makePlan({ models: [fixture.model], dataset: fixture.dataset, targets: ["cpu"], seed: 1 });
  served = await serveModels(plan, {});
  const found = await findChrome();
  browser = await launchBrowser(found, "none", { flags: [EAGER_MEMORY] });
  page = await browser.newPage();
});
afterAll(async () => {
  await browser.close();
  await served.close();
  rmSync(fixture.folder, { recursive: true });
});

async function open(search: string): Promise<string> {
  await page.goto(`${served.server.url}${search}`);
  const done = "['Done', 'Failed'].some((word) => document.getElementById('status').textContent.startsWith(word))";
  await page.waitForFunction(done, { timeout: 100_000 });
  return (await page.evaluate("document.getElementById('status').textContent")) as string;
}

describe("the page by hand", () => {
  it("offers the models, and waits", async () => {
    await page.goto(served.server.url);
    await page.waitForSelector("form");
    expect(await page.evaluate("[...document.getElementById('model').options].map((o) => o.value)")).toEqual(["net"]);
    expect(await page.evaluate("document.getElementById('recipes').value")).toBe("fp32 int8");
    // Every control has a label.
    expect(await page.evaluate("[...document.querySelectorAll('select, input')].every((c) => c.labels.length === 1)")).toBe(true);
  });

  it("runs what its address says; a + in a recipe stands as it is", async () => {
    const status = await open("?model=net&recipe=prune:0.5+int8&recipe=fp32&target=wasm&target=cpu&preset=quick");
    expect(status).toBe("Done: 4 of 4 rows.");
    const text = await page.evaluate("fetch(document.querySelector('a.download').href).then((r) => r.text())");
    const json: unknown = JSON.parse(String(text));
    expect(() => checkResult(json, "page")).not.toThrow();
    const { records, environment } = checkResult(json, "page");
    expect(records.map(({ recipe, target, status: state }) => `${recipe} ${target} ${state}`)).toEqual([
      "fp32 wasm ok",
      "fp32 cpu ok",
      "prune:0.5+int8 wasm ok",
      "prune:0.5+int8 cpu ok",
    ]);
    for (const record of records) {
      expect(record.parity).toMatchObject({ against: "cpu", pass: true });
      expect(record.latencyMs?.ci95).toBeDefined();
      expect(record.size?.fileBytes).toBeGreaterThan(0);
      expect(record.memoryBytes?.weights).toBeGreaterThan(0);
      expect(record).not.toHaveProperty("accuracy");
    }
    expect(environment.engines?.["wasm"]?.facts?.["browser"]).toMatch(/Chrome/);
    const cells = (await page.evaluate("[...document.querySelectorAll('tbody tr')].map((row) => row.innerText)")) as readonly string[];
    expect(cells).toHaveLength(5);
    expect(cells[1]).toMatch(/^fp32\twasm\t[\d.]+\t[\d.]+ – [\d.]+\t–\t/);
  });

  it("says what it cannot run, and goes on", async () => {
    const status = await open("?model=net&recipe=fp32&target=webgpu&target=wsam&target=wasm@node&target=wasm@chrome&preset=quick");
    expect(status).toMatch(
      /^Done: 2 of 4 rows\.\ntarget "wsam": unknown engine.*\ntarget wasm@chrome: runs in this page, so it has no @host/,
    );
    const notes = String(await page.evaluate("document.querySelector('.notes').innerText"));
    expect(notes).toMatch(/net fp32 webgpu: unavailable: webgpu: no GPU adapter/);
    expect(await open("?model=other&recipe=fp32&target=wasm&preset=quick")).toMatch(/model other: is not served, expected one of net/);
    expect(await open("?model=net&recipe=squash&target=wasm&preset=quick")).toMatch(/0 of 1 rows\.\nrecipe "squash"/);
  });

  it("gives out nothing but what it offers", async () => {
    expect((await fetch(`${served.server.url}file?name=${encodeURIComponent(join(fixture.folder, "net.onnx"))}`)).status).toBe(404);
    const refused = await fetch(`${served.server.url}pair?model=../../etc&recipe=fp32`);
    expect(refused.status).toBe(422);
    expect(await refused.json()).toMatchObject({ message: "model ../../etc: is not served, expected one of net" });
  });
});
