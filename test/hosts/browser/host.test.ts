/** A real browser: engines run in its page as they do in Node, and whatever ends it becomes a typed error. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TuneEntry, TuneReport } from "../../../src/engines/tune/types.ts";
import { UnavailableError, UsageError } from "../../../src/errors.ts";
import { serializeGraph } from "../../../src/graph/serialize.ts";
import { resolveDataset } from "../../../src/data/index.ts";
import { openModel } from "../../../src/harness/model.ts";
import { inferAll } from "../../../src/harness/infer.ts";
import { parseTarget } from "../../../src/harness/target.ts";
import { findChrome } from "../../../src/hosts/browser/find.ts";
import type { FoundBrowser } from "../../../src/hosts/browser/find.ts";
import { BrowserHost } from "../../../src/hosts/browser/host.ts";
import type { BrowserHostOptions } from "../../../src/hosts/browser/host.ts";
import { launchBrowser } from "../../../src/hosts/browser/launch.ts";
import { killAllHosts } from "../../../src/hosts/host.ts";
import { HostError } from "../../../src/hosts/protocol.ts";

const MODEL = new URL("../../../suites/models/lenet5.onnx", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "slimbench-browser-"));
afterAll(() => rmSync(folder, { recursive: true }));

let browser: FoundBrowser;
beforeAll(async () => {
  browser = await findChrome();
});

function open(options: Partial<BrowserHostOptions> = {}): Promise<BrowserHost> {
  return BrowserHost.open({ source: { kind: "chrome", browser, gpu: "none" }, silenceMs: 60_000, ...options });
}

async function lenet(): Promise<{ readonly graphPath: string; readonly input: Float32Array }> {
  const { graph } = await openModel(MODEL, {});
  const graphPath = join(folder, "lenet5.graph");
  writeFileSync(graphPath, serializeGraph(graph));
  return { graphPath, input: Float32Array.from({ length: 784 }, (_, i) => ((i * 31) % 97) / 97) };
}

async function failureOf(promise: Promise<unknown>): Promise<HostError> {
  const error: unknown = await promise.catch((e: unknown) => e);
  expect(error).toBeInstanceOf(HostError);
  return error as HostError;
}

describe("BrowserHost", () => {
  it("tunes in the page, and keeps what it measured on this side, for this browser", async () => {
    const cache = process.env["XDG_CACHE_HOME"];
    process.env["XDG_CACHE_HOME"] = folder;
    const { graphPath } = await lenet();
    const tune = async (): Promise<TuneReport | undefined> => {
      const host = await open();
      try {
        return await host.request("tune", { engine: "wasm", options: {}, graphPath, mode: "cached" });
      } finally {
        await host.close();
      }
    };
    try {
      const first = await tune();
      expect(first).toMatchObject({ cached: 0, notes: [] });
      expect(first?.measured).toBeGreaterThan(0);
      const [machine = ""] = readdirSync(join(folder, "slimbench", "tuning"));
      const files = readdirSync(join(folder, "slimbench", "tuning", machine));
      expect(files).toHaveLength(first?.measured ?? 0);
      const entry = JSON.parse(readFileSync(join(folder, "slimbench", "tuning", machine, files[0] ?? ""), "utf8")) as TuneEntry;
      expect(entry.machine["browser"]).toMatch(/Chrome\/\d+/);
      expect(await tune()).toMatchObject({ measured: 0, cached: first?.measured, choices: first?.choices });
    } finally {
      if (cache === undefined) delete process.env["XDG_CACHE_HOME"];
      else process.env["XDG_CACHE_HOME"] = cache;
    }
  });

  it("measures and classifies in the page", async () => {
    const { graphPath, input } = await lenet();
    const host = await open();
    try {
      expect(await host.version()).toMatch(/Chrome\/\d+/);
      const { placement } = await host.request("open", { engine: "wasm", options: {}, graphPath });
      expect(placement.every(({ engine }) => engine === "wasm")).toBe(true);
      const settings = {
        warmup: { floorMs: 20, maxMs: 200, minRuns: 2 },
        minSamples: 5,
        floorSamples: 5,
        maxSamples: 20,
        precision: 0.5,
        minTimeMs: 10,
        timeLimitMs: 500,
        blockClockSteps: 100,
      };
      const { samples, clockStepMs } = await host.request("time", { inputs: [[input]], settings });
      expect(samples.length).toBeGreaterThanOrEqual(5);
      expect(samples.every((ms) => ms > 0)).toBe(true);
      // Isolated pages see a clock of 5 µs, others of 100.
      expect(clockStepMs).toBeLessThan(0.05);
      const { session } = await host.request("memory", { inputs: [input] });
      expect(session.weights).toBeGreaterThan(100_000);
      const datasetPath = await resolveDataset("mnist", "test");
      const { predictions } = await host.request("classify", { datasetPath, indices: Int32Array.from({ length: 50 }, (_, i) => i) });
      expect([...predictions.slice(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    } finally {
      await host.close();
    }
  });

  it.each(["cpu", "wasm", "webgpu"])("gives Node's outputs on %s", async (engine) => {
    const { graph } = await openModel(MODEL, {});
    const { input } = await lenet();
    const run = (target: string): ReturnType<typeof inferAll> => inferAll(graph, parseTarget(target), [[input]], { silenceMs: 60_000 });
    const [[here = []] = []] = await run("cpu");
    const [[there = []] = []] = await run(`${engine}@chrome`);
    expect(there).toHaveLength(10);
    for (let i = 0; i < 10; i++) expect(there[i]!).toBeCloseTo(here[i]!, engine === "cpu" ? 12 : 3);
  });

  it("passes on what an engine refuses", async () => {
    const host = await open();
    try {
      const error = await failureOf(host.request("probe", { engine: "wasm", options: { color: "red" } }));
      expect(error).toMatchObject({ code: "usage", exitCode: 2 });
      expect(await host.request("probe", { engine: "cpu", options: {} })).toMatchObject({ available: true });
    } finally {
      await host.close();
    }
  });

  it("ends a page that shows no sign of life", async () => {
    const { graphPath, input } = await lenet();
    const host = await open({ silenceMs: 1500 });
    try {
      await host.request("open", { engine: "cpu", options: {}, graphPath });
      const settings = {
        warmup: { floorMs: 1, maxMs: 1, minRuns: 1 },
        minSamples: 1,
        floorSamples: 1,
        maxSamples: 1,
        precision: 1,
        minTimeMs: 0,
        timeLimitMs: 1,
        blockClockSteps: 1e12,
      };
      const error = await failureOf(host.request("time", { inputs: [[input]], settings }));
      expect(error).toMatchObject({ code: "timeout", exitCode: 4 });
      expect(error.message).toMatch(/browser page: no sign of life for 1\.5 s during time/);
    } finally {
      await host.close();
    }
  });

  it("reports a browser that dies, and leaves nothing behind", async () => {
    const host = await open();
    const pid = browserPids();
    expect(pid.length).toBeGreaterThan(0);
    const pending = failureOf(
      host.request("run", { inputs: [new Float32Array(1)] }).then(() => host.request("probe", { engine: "cpu", options: {} })),
    );
    killAllHosts();
    expect(["interrupted", "usage"]).toContain((await pending).code);
    await host.close();
    await expect(host.request("probe", { engine: "cpu", options: {} })).rejects.toThrow(HostError);
    expect(browserPids()).toEqual([]);
  });
});

/** Browsers that this process has started. */
function browserPids(): readonly string[] {
  try {
    return execFileSync("pgrep", ["-P", String(process.pid), "-f", "remote-debugging"], { encoding: "utf8" })
      .trim()
      .split("\n");
  } catch {
    return [];
  }
}

describe("findChrome", () => {
  it("takes the browser that the user names", async () => {
    expect(await findChrome(process.execPath)).toEqual({ executable: process.execPath });
  });

  it.each(["/nowhere/chrome", folder, MODEL])("refuses %s", async (path) => {
    await expect(findChrome(path)).rejects.toThrow(UsageError);
  });

  it("says what a program says that is no browser", async () => {
    const failure = launchBrowser({ executable: "/bin/false" }, "none");
    await expect(failure).rejects.toThrow(UnavailableError);
    await expect(failure).rejects.toThrow(/\/bin\/false does not start/);
  });
});
