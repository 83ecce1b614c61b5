/** A child process that fails in any way becomes a typed error, soon, and leaves nothing behind. */
import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { serializeGraph } from "../../src/graph/serialize.ts";
import { killAllHosts } from "../../src/hosts/host.ts";
import { NodeHost } from "../../src/hosts/node.ts";
import type { NodeHostOptions } from "../../src/hosts/node.ts";
import { HostError } from "../../src/hosts/protocol.ts";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MISBEHAVE = new URL("children/misbehave.mjs", import.meta.url).pathname;

async function ask(engine: string, options: Partial<NodeHostOptions> = {}): Promise<unknown> {
  const host = new NodeHost({ silenceMs: 20_000, childPath: MISBEHAVE, ...options });
  try {
    return await host.request("probe", { engine, options: {} });
  } finally {
    await host.close();
  }
}

async function failure(engine: string, options: Partial<NodeHostOptions> = {}): Promise<HostError> {
  const error: unknown = await ask(engine, options).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(HostError);
  return error as HostError;
}

describe("NodeHost", () => {
  it("answers", async () => {
    expect(await ask("ok")).toEqual({ available: true, facts: {} });
  });

  it("reports an exit with its code", async () => {
    const { code, message, exitCode, unavailable } = await failure("exit");
    expect({ code, exitCode, unavailable }).toEqual({ code: "child-crashed", exitCode: 4, unavailable: false });
    expect(message).toMatch(/crashed during probe \(exit code 3\)/);
  });

  it("quotes what the dying child said", async () => {
    const { code, message } = await failure("throw");
    expect(code).toBe("child-crashed");
    expect(message).toMatch(/TypeError: engine lost its way/);
    expect(message).not.toMatch(/\n/);
  });

  it("reports a native abort by its signal", async () => {
    expect((await failure("abort")).message).toMatch(/signal SIGABRT/);
  });

  it("takes an unasked-for SIGKILL for memory that ran out", async () => {
    expect((await failure("killed")).code).toBe("out-of-memory");
  });

  it("recognizes a full heap", async () => {
    const { code, message } = await failure("heap", { env: { NODE_OPTIONS: "--max-old-space-size=40" } });
    expect(code).toBe("out-of-memory");
    expect(message).toMatch(/ran out of memory during probe/);
  });

  it("ends a silent child, not a slow one that shows life", async () => {
    const { code, message } = await failure("silent", { silenceMs: 500 });
    expect(code).toBe("timeout");
    expect(message).toMatch(/no sign of life for 0.5 s during probe/);
    const fractions: number[] = [];
    expect(await ask("slow", { silenceMs: 3500, onProgress: ({ fraction }) => fractions.push(fraction) })).toEqual({
      available: true,
      facts: { slow: true },
    });
    expect(fractions).toEqual([0.25, 0.5, 0.75, 1]);
  });

  it("refuses requests after the end, and closes twice", async () => {
    const host = new NodeHost({ silenceMs: 20_000, childPath: MISBEHAVE });
    await expect(host.request("probe", { engine: "exit", options: {} })).rejects.toThrow(/exit code 3/);
    await expect(host.request("probe", { engine: "ok", options: {} })).rejects.toThrow(/exit code 3/);
    await host.close();
    await host.close();
  });

  it("kills a child that does not leave when asked", async () => {
    expect(await ask("stubborn")).toEqual({ available: true, facts: {} });
  });

  it("ends all children on an interrupt", async () => {
    const host = new NodeHost({ silenceMs: 20_000, childPath: MISBEHAVE });
    const pending = host.request("probe", { engine: "silent", options: {} });
    killAllHosts();
    await expect(pending).rejects.toMatchObject({ code: "interrupted" });
  });

  it("says so when the script does not exist", async () => {
    expect((await failure("ok", { childPath: "/nonexistent/child.mjs" })).code).toBe("child-crashed");
  });
});

describe("the real child", () => {
  const folder = mkdtempSync(join(tmpdir(), "slimbench-test-"));
  const graphPath = join(folder, "dense.graph");

  async function withChild<T>(use: (host: NodeHost) => Promise<T>, graph = denseGraph()): Promise<T> {
    writeFileSync(graphPath, serializeGraph(graph));
    const host = new NodeHost({ silenceMs: 60_000 });
    try {
      return await use(host);
    } finally {
      await host.close();
      rmSync(graphPath, { force: true });
    }
  }

  it("compiles, runs, times, and reads memory", async () => {
    await withChild(async (host) => {
      const opened = await host.request("open", { engine: "cpu", options: {}, graphPath });
      expect(opened.compileMs).toBeGreaterThan(0);
      expect(opened.placement).toHaveLength(1);
      expect(opened.flags).toContain("--expose-gc");
      const inputs = [Float32Array.of(1, 2)];
      const { outputs } = await host.request("run", { inputs });
      expect(outputs).toEqual([Float32Array.of(5, 11.5)]);
      const timed = await host.request("time", {
        inputs: [inputs],
        settings: {
          warmup: { floorMs: 5, maxMs: 50, minRuns: 2 },
          minSamples: 20,
          floorSamples: 20,
          maxSamples: 40,
          precision: 0.5,
          minTimeMs: 0,
          timeLimitMs: 500,
          blockClockSteps: 100,
        },
      });
      expect(timed.samples.length).toBeGreaterThanOrEqual(20);
      const memory = await host.request("memory", { inputs });
      expect(memory.session.weights).toBeGreaterThan(0);
      expect(memory.jsHeapBytes).toBeGreaterThan(1e6);
      expect(memory.rssPeakBytes).toBeGreaterThan(1e7);
    });
  });

  it("widens 8-bit weights under a float op once, before the engine compiles", async () => {
    const builder = new GraphBuilder("hybrid");
    const quant = { scales: Float32Array.of(0.5, 0.25), zeroPoints: new Int32Array(2), axis: 0 };
    builder.input("x", "float32", [1, 2]);
    builder.constant("w8", "int8", [2, 2], Int8Array.of(2, 4, -8, 12), { quant });
    const w = builder.add("Dequantize", "widen", ["w8"], {});
    const graph = builder.finish([builder.add("Dense", "dense", ["x", w], {})]);
    await withChild(async (host) => {
      const { placement } = await host.request("open", { engine: "wasm", options: {}, graphPath });
      expect(placement.map(({ node, engine }) => [node, engine])).toEqual([["dense", "wasm"]]);
      const { outputs } = await host.request("run", { inputs: [Float32Array.of(1, 2)] });
      expect(outputs).toEqual([Float32Array.of(5, 4)]);
    }, graph);
  });

  it("measures its own peak memory, not its parent's", async () => {
    const ballast = Buffer.alloc(200 * 2 ** 20, 1);
    await withChild(async (host) => {
      await host.request("open", { engine: "cpu", options: {}, graphPath });
      const { rssPeakBytes } = await host.request("memory", { inputs: [Float32Array.of(1, 2)] });
      expect(rssPeakBytes).toBeLessThan(ballast.length);
    });
  });

  it("sends errors back typed, and lives on", async () => {
    await withChild(async (host) => {
      await expect(host.request("run", { inputs: [] })).rejects.toMatchObject({ code: "usage" });
      await expect(host.request("probe", { engine: "tfjs-webgl", options: {} })).rejects.toMatchObject({
        code: "not-implemented",
        unavailable: true,
      });
      await expect(host.request("probe", { engine: "cpu", options: { speed: "high" } })).rejects.toMatchObject({
        code: "usage",
        exitCode: 2,
      });
      writeFileSync(graphPath, "garbage that is long enough");
      await expect(host.request("open", { engine: "cpu", options: {}, graphPath })).rejects.toMatchObject({ code: "bad-file" });
      expect(await host.request("probe", { engine: "cpu", options: {} })).toMatchObject({ available: true });
    });
  });
});

/** y = [[1, 2], [3, 4]] x + [0, 0.5] */
function denseGraph(): Graph {
  const builder = new GraphBuilder("dense");
  const x = builder.input("x", "float32", [1, 2]);
  const w = builder.constant("w", "float32", [2, 2], Float32Array.of(1, 2, 3, 4));
  const b = builder.constant("b", "float32", [2], Float32Array.of(0, 0.5));
  return builder.finish([builder.add("Dense", "dense", [x, w, b], {})]);
}
