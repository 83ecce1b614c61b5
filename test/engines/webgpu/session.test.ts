/** What a session promises beyond right results: one submission, one mapped read, no late pipelines, no leaked bytes, clear errors. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { EngineContext, Session } from "../../../src/engines/engine.ts";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { compareOutputs } from "../../../src/engines/tolerance.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { lowerGraph } from "../../../src/engines/webgpu/lower/index.ts";
import { WebGpuSession } from "../../../src/engines/webgpu/session.ts";
import { UnsupportedError, UsageError } from "../../../src/errors.ts";
import type { TypedArray } from "../../../src/graph/dtype.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import { keepDevice, testContext } from "./context.ts";
import { denseGraph, grid, randomGraph, randomInputs } from "./graphs.ts";

let shared: SharedDevice;
let context: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
});
afterAll(() => {
  shared.release();
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function compileHere(...args: Parameters<typeof denseGraph>): Promise<WebGpuSession> {
  const session = await webgpuEngine.compile(denseGraph(...args), context, {});
  if (!(session instanceof WebGpuSession)) throw new Error("the engine's session is of another class");
  return session;
}

function largestOf(outputs: readonly TypedArray[]): number {
  let largest = 0;
  for (const data of outputs) for (const v of data) largest = Math.max(largest, Math.abs(v));
  return largest;
}

describe("random graphs of several nodes", () => {
  it.each(["float32", "int8"] as const)("%s equals the CPU engine", async (type) => {
    for (let seed = 1; seed <= 12; seed++) {
      const graph = randomGraph(type, seed);
      const inputs = randomInputs(graph, seed);
      const cpu = await cpuEngine.compile(graph, context, {});
      const expected = await cpu.run(inputs);
      const session = await webgpuEngine.compile(graph, context, {});
      // Twice: nothing of the first run may show in the second.
      await session.run(randomInputs(graph, seed + 1000));
      const outputs = await session.run(inputs);
      session.dispose();
      cpu.dispose();
      // A few layers of weights below 1/2 and at most 117 terms: 1e-4 of the largest value is some hundred epsilons.
      const comparison = compareOutputs(expected, outputs, type === "int8" ? 0 : 1e-4 * Math.max(1, largestOf(expected)));
      expect(comparison.pass, `seed ${seed}: ${comparison.message}`).toBe(true);
    }
  });
});

describe("a run", () => {
  it("submits once, maps once, and creates neither pipelines nor buffers", async () => {
    const session = await webgpuEngine.compile(randomGraph("float32", 3), context, {});
    const inputs = randomInputs(randomGraph("float32", 3), 3);
    const { device } = shared;
    const submit = vi.spyOn(Object.getPrototypeOf(device.queue) as GPUQueue, "submit");
    const map = vi.spyOn(GPUBuffer.prototype, "mapAsync");
    const pipeline = vi.spyOn(GPUDevice.prototype, "createComputePipelineAsync");
    const pipelineSync = vi.spyOn(GPUDevice.prototype, "createComputePipeline");
    const buffer = vi.spyOn(GPUDevice.prototype, "createBuffer");
    const bind = vi.spyOn(GPUDevice.prototype, "createBindGroup");
    await session.run(inputs);
    expect(submit).toHaveBeenCalledTimes(1);
    expect(submit.mock.calls[0]![0]).toHaveLength(1);
    expect(map).toHaveBeenCalledTimes(1);
    for (const late of [pipeline, pipelineSync, buffer, bind]) expect(late).not.toHaveBeenCalled();
    // The spies see what they should: compiling does create.
    const other = await compileHere("float32", 5, 4, 4);
    expect(buffer).toHaveBeenCalled();
    other.dispose();
    session.dispose();
  });

  it("returns fresh arrays of the graph's types, and constants and views among the outputs", async () => {
    const b = new GraphBuilder("outputs");
    const x = b.input("x", "uint8", [2, 3], grid(1, 128));
    const constant = b.constant("c", "int64", [2], Float64Array.of(5, -6));
    const view = b.add("Reshape", "view", [x], {}, { shape: [3, 2], quant: grid(1, 128) });
    const graph = b.finish([x, view, constant]);
    const session = await webgpuEngine.compile(graph, context, {});
    const input = Uint8Array.of(0, 1, 127, 128, 254, 255);
    const first = await session.run([input]);
    const second = await session.run([input]);
    expect(first).toEqual([input, input, Float64Array.of(5, -6)]);
    expect(first[0]).not.toBe(second[0]);
    session.dispose();
  });

  it("refuses inputs of another number or length", async () => {
    const session = await compileHere("float32", 2, 3, 4);
    await expect(session.run([])).rejects.toThrow(UsageError);
    await expect(session.run([new Float32Array(7)])).rejects.toThrow(/input "x": elements, got 7, expected 8/);
    session.dispose();
  });

  it("refuses int64 values that int32 cannot hold", async () => {
    const b = new GraphBuilder("wide");
    const x = b.input("x", "int64", [1]);
    const graph = b.finish([b.add("Reshape", "r", [x], {}, { shape: [1, 1] })]);
    const session = await webgpuEngine.compile(graph, context, {});
    expect(await session.run([Float64Array.of(-2147483648)])).toEqual([Float64Array.of(-2147483648)]);
    await expect(session.run([Float64Array.of(2 ** 31)])).rejects.toThrow(UnsupportedError);
    session.dispose();
  });
});

/** Labels of the buffers, textures and query sets that live, from now on. */
function watchObjects(): ReadonlyMap<object, string> {
  const live = new Map<object, string>();
  const watch = (make: "createBuffer" | "createTexture" | "createQuerySet", prototype: { destroy: () => undefined }): void => {
    const real = Object.getOwnPropertyDescriptor(GPUDevice.prototype, make)!.value as (descriptor: unknown) => object;
    vi.spyOn(GPUDevice.prototype, make).mockImplementation(function (this: GPUDevice, descriptor: unknown) {
      const object = real.call(this, descriptor);
      live.set(object, `${make} ${(object as { readonly label?: string }).label ?? ""}`);
      return object as never;
    });
    const destroy = prototype.destroy;
    vi.spyOn(prototype, "destroy").mockImplementation(function (this: object) {
      live.delete(this);
      return destroy.call(this);
    });
  };
  watch("createBuffer", GPUBuffer.prototype);
  watch("createTexture", GPUTexture.prototype);
  watch("createQuerySet", GPUQuerySet.prototype);
  return live;
}

describe("memory", () => {
  it("counts weights, activations and everything together, and gives all of it back", async () => {
    const session = await compileHere("float32", 64, 64, 64);
    const memory = session.memory();
    expect(memory.weights).toBeGreaterThanOrEqual(64 * 64 * 4);
    expect(memory.activationsPeak).toBe(2 * 64 * 64 * 4);
    expect(memory.gpuPeak).toBeGreaterThanOrEqual(memory.weights + memory.activationsPeak + 64 * 64 * 4);
    expect(session.liveBytes).toBe(memory.gpuPeak);
    session.dispose();
    expect(session.liveBytes).toBe(0);
  });

  it("int8 weights take a quarter of float32 weights", async () => {
    const float = await compileHere("float32", 8, 256, 256);
    const integer = await compileHere("int8", 8, 256, 256);
    expect(float.memory().weights / integer.memory().weights).toBeGreaterThan(3.5);
    float.dispose();
    integer.dispose();
  });

  it("leaks nothing over twenty sessions with runs, profiles and GPU times", async () => {
    const live = watchObjects();
    const [input] = randomInputs(denseGraph("int8", 9, 17, 33), 1);
    const before = live.size;
    let most = 0;
    for (let i = 0; i < 20; i++) {
      const session = await compileHere("int8", 9, 17, 33);
      await session.run([input!]);
      await session.profile([input!]);
      await session.gpuTime([input!]);
      most = Math.max(most, live.size);
      // Nothing lives that the session does not know of.
      expect(session.liveObjects).toBe(live.size - before);
      session.dispose();
      expect(session.liveBytes).toBe(0);
      expect(session.liveObjects).toBe(0);
    }
    expect(most).toBeGreaterThan(before);
    expect([...live.values()]).toEqual([]);
  });

  it("counts query sets and what profiling needs into the high-water mark", async () => {
    const session = await compileHere("float32", 4, 4, 4);
    const { gpuPeak } = session.memory();
    await session.profile([new Float32Array(16)]);
    expect(session.memory().gpuPeak).toBeGreaterThan(gpuPeak!);
    expect(session.liveBytes).toBe(gpuPeak);
    session.dispose();
  });

  it("frees what it made when compiling fails half way", async () => {
    const lowered = lowerGraph(denseGraph("float32", 8, 8, 8), shared.facts, { gemm: "auto", dot4: "auto", sparse: "auto", coded: "auto" });
    const failing = { ...lowered, steps: lowered.steps.map((step) => ({ ...step, inputs: step.inputs.slice(1) })) };
    const destroyed = vi.spyOn(GPUBuffer.prototype, "destroy");
    const read = async (path: string): Promise<string> => new TextDecoder().decode(await context.readAsset(`shaders/${path}`));
    const attempt = WebGpuSession.create(denseGraph("float32", 8, 8, 8), shared.acquire(), failing, read, context.now);
    await expect(attempt).rejects.toThrow(/internal: webgpu validation/);
    expect(destroyed.mock.calls.length).toBeGreaterThan(3);
  });
});

describe("profile and placement", () => {
  it("times every dispatch and names its node and kernel", async () => {
    const graph = randomGraph("int8", 5);
    const session: Session = await webgpuEngine.compile(graph, context, {});
    const profile = await session.profile(randomInputs(graph, 5));
    const nodes = new Set(graph.nodes.map((node) => node.name));
    expect(profile.length).toBeGreaterThan(3);
    for (const row of profile) {
      expect(nodes.has(row.node)).toBe(true);
      expect(row.ms).toBeGreaterThanOrEqual(0);
    }
    const placed = session.placement();
    expect(new Set(placed.map((p) => p.node))).toEqual(nodes);
    expect(placed.every((p) => p.engine === "webgpu")).toBe(true);
    expect(profile.every((row) => placed.some((p) => p.node === row.node && p.kernel === row.kernel))).toBe(true);
    session.dispose();
  });
});

describe("probe and options", () => {
  it("states the adapter and whether it is software", async () => {
    const result = await webgpuEngine.probe(context, {});
    expect(result.available).toBe(true);
    expect(typeof result.facts["description"]).toBe("string");
    expect(result.software).toBe(result.facts["software"]);
  });

  it("is unavailable without a GPU object, and says what to do", async () => {
    const without: EngineContext = { readAsset: context.readAsset, now: context.now };
    const result = await webgpuEngine.probe(without, {});
    expect(result.available).toBe(false);
    expect(result.reason?.code).toBe("no-webgpu");
    expect(result.reason?.remedy).not.toBe("");
    await expect(webgpuEngine.compile(denseGraph("float32", 1, 1, 1), without, {})).rejects.toThrow(/this host has no WebGPU/);
  });

  it("is unavailable when no adapter is found", async () => {
    const gpu = { requestAdapter: () => Promise.resolve(null) } as unknown as GPU;
    const result = await webgpuEngine.probe({ ...context, gpu }, {});
    expect(result).toMatchObject({ available: false, reason: { code: "no-gpu" } });
  });

  it.each([
    [{ threads: "2" }, /unknown option "threads", expected one of gemm, dot4, sparse, coded/],
    [{ gemm: "huge" }, /option gemm, got "huge", expected auto, tiled, split, direct/],
  ])("refuses %j", async (options: Record<string, string>, message) => {
    await expect(webgpuEngine.compile(denseGraph("float32", 1, 1, 1), context, options)).rejects.toThrow(message);
  });
});
