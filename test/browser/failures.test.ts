/**
 * Pages that crash, lose their GPU, run out of memory or are hidden, each caused for real, in a Chrome that this test starts and that the
 * targets reach as somebody else's (`@ws`): it must live on whatever happens to our page.
 */
import { rmSync } from "node:fs";
import type { Browser } from "puppeteer-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { inferAll } from "../../src/harness/infer.ts";
import { makePlan } from "../../src/harness/plan.ts";
import { silentReporter } from "../../src/harness/progress.ts";
import { runPlan } from "../../src/harness/run.ts";
import { parseTarget } from "../../src/harness/target.ts";
import { findChrome } from "../../src/hosts/browser/find.ts";
import { launchBrowser } from "../../src/hosts/browser/launch.ts";
import type { RemoteBrowser } from "../../src/hosts/browser/remote.ts";
import type { ResultRecord } from "../../src/results/schema.ts";
import { makeFixture } from "../harness/fixture.ts";

const fixture = makeFixture();
let browser: Browser;
let remotes: readonly RemoteBrowser[];

beforeAll(async () => {
  const found = await findChrome();
  browser = await launchBrowser(found, "software");
  remotes = [{ name: "", endpoint: browser.wsEndpoint() }];
});
afterAll(async () => {
  await browser.close();
  rmSync(fixture.folder, { recursive: true });
});
// Whatever a test did to our page, the browser is as it was.
afterEach(async () => {
  expect(browser.connected).toBe(true);
  expect(ourPages()).toEqual([]);
  const pages = await browser.pages();
  await Promise.all(pages.slice(1).map((page) => page.close()));
});

function ourPages(): readonly string[] {
  return browser
    .targets()
    .map((target) => target.url())
    .filter((url) => url.includes("?driven"));
}

/** Does something to our page as soon as it is being timed. */
async function run(target: string, onTiming: (time: number) => Promise<void>): Promise<ResultRecord> {
  let times = 0;
  let timing = false;
  const plan = makePlan({ preset: "quick", seed: 1, models: [fixture.model], recipes: ["fp32"], targets: [target], processes: 1 });
  const reporter = {
    ...silentReporter,
    phase: (_: unknown, phase: string): void => {
      if (phase === "warming up" || phase === "timing") {
        if (!timing) void onTiming(++times);
        timing = true;
      } else timing = false;
    },
  };
  const { result } = await runPlan(plan, { reporter, silenceMs: 30_000, signal: new AbortController().signal, remotes });
  return result.records[0]!;
}

const leaveAlone = (): Promise<void> => Promise.resolve();

async function crashOurPage(): Promise<void> {
  const target = browser.targets().find((one) => one.url().includes("?driven"));
  const page = await target?.page();
  // The page is gone before it could answer.
  await page?.goto("chrome://crash").catch(() => undefined);
}

describe("somebody else's browser", () => {
  it("is measured in, and only our page is closed", async () => {
    const before = (await browser.pages()).length;
    const record = await run("wasm@ws", leaveAlone);
    expect(record).toMatchObject({ status: "ok", parity: { pass: true } });
    expect(await browser.pages()).toHaveLength(before);
  });

  it("is named in what goes wrong", async () => {
    const refused = await inferAll(new GraphBuilder("none").finish([]), parseTarget("cpu@ws:phone"), [], {
      silenceMs: 1000,
      remotes: [{ name: "phone", endpoint: "ws://127.0.0.1:1/devtools" }],
    }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "browser-unreachable" });
    expect(String(refused)).toContain("host ws:phone: no browser answers");
  });
});

describe("a page that crashes", () => {
  it("is replaced by a fresh one, once, and the record says so", async () => {
    const record = await run("wasm@ws", (time) => (time === 1 ? crashOurPage() : Promise.resolve()));
    expect(record).toMatchObject({ status: "ok" });
    const retried = record.warnings?.find(({ key }) => key === "page-retried");
    expect(retried?.evidence).toMatch(/browser page: .*during time/);
  });

  it("twice is a failed record, which keeps what was measured", async () => {
    const record = await run("wasm@ws", crashOurPage);
    expect(record).toMatchObject({ status: "failed", reason: { code: "page-crashed" }, parity: { pass: true } });
    expect(record.warnings?.map(({ key }) => key)).toEqual(["page-retried"]);
  });
});

describe("a page that nobody sees", () => {
  it("is measured with a warning", async () => {
    const record = await run("wasm@ws", async () => {
      const page = await browser
        .targets()
        .find((one) => one.url().includes("?driven"))
        ?.page();
      const session = await page!.createCDPSession();
      const { windowId } = await session.send("Browser.getWindowForTarget");
      await session.send("Browser.setWindowBounds", { windowId, bounds: { windowState: "minimized" } });
    });
    expect(record).toMatchObject({ status: "ok" });
    expect(record.warnings?.map(({ key }) => key)).toContain("page-hidden");
  });
});

describe("memory", () => {
  it("is measured in the page", async () => {
    const record = await run("wasm@ws", leaveAlone);
    expect(record.memoryBytes?.jsHeap).toBeGreaterThan(100_000);
    expect(record.memoryBytes?.wasm).toBeGreaterThan(0);
    expect(record.memoryBytes).not.toHaveProperty("rssPeak");
  });

  it("that runs out is a typed failure", async () => {
    const builder = new GraphBuilder("huge");
    const x = builder.input("x", "float32", [1, 4]);
    const wide = builder.add("Expand", "wide", [x], {}, { shape: [2 ** 31, 4] });
    const failure: unknown = await inferAll(builder.finish([wide]), parseTarget("cpu@ws"), [[new Float32Array(4)]], {
      silenceMs: 30_000,
      remotes,
    }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "out-of-memory", exitCode: 4, unavailable: false });
  });
});

describe("a GPU process that crashes", () => {
  it("is a lost device: a failed record, and the next one runs", async () => {
    const record = await run("webgpu@ws", async () => {
      const session = await browser.target().createCDPSession();
      await session.send("Browser.crashGpuProcess").catch(() => undefined);
    });
    expect(record).toMatchObject({ status: "failed", reason: { code: "device-lost" } });
    expect(record.status === "failed" && record.reason.remedy).toContain("run again");
    expect(await run("webgpu@ws", leaveAlone)).toMatchObject({ status: "ok", parity: { pass: true } });
  });
});
