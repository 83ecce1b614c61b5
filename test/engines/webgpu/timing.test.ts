/** The GPU's clock: how its tick is found, when a region is long enough, what is dropped, and what stays absent. */
import { create } from "webgpu";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { EngineContext } from "../../../src/engines/engine.ts";
import { webgpuPeaks } from "../../../src/engines/webgpu/ceilings.ts";
import { acquireDevice } from "../../../src/engines/webgpu/device.ts";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { clockGrid, timestampGrid } from "../../../src/engines/webgpu/grid.ts";
import { webgpuEngine } from "../../../src/engines/webgpu/index.ts";
import { GpuLedger, MAX_QUERIES } from "../../../src/engines/webgpu/ledger.ts";
import { LADDER, overheadOf } from "../../../src/engines/webgpu/overhead.ts";
import { copyStep, peakStep } from "../../../src/engines/webgpu/probes.ts";
import type { ShaderReader } from "../../../src/engines/webgpu/shaders.ts";
import type { Region } from "../../../src/engines/webgpu/timestamps.ts";
import { LEAST_TICKS, nextRepeats, timeRegions, timeRepeated } from "../../../src/engines/webgpu/timestamps.ts";
import { keepDevice, testContext, testGpu } from "./context.ts";
import { denseGraph, randomGraph, randomInputs } from "./graphs.ts";

let shared: SharedDevice;
let context: EngineContext;
let read: ShaderReader;
beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
  read = async (path) => new TextDecoder().decode(await context.readAsset(`shaders/${path}`));
});
afterAll(() => {
  shared.release();
});

describe("clockGrid", () => {
  it("finds the tick of a whole number of nanoseconds", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 10, 32, 100, 1000, 1024, 65_536),
        fc.bigInt({ min: 0n, max: 2n ** 50n }),
        fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 40, maxLength: 60 }),
        (tick, start, steps) => {
          // Neighbours and one tick apart among them, as 48 readings have it.
          let at = start;
          const times = [at, ...[1, 2, 3, ...steps].map((n) => (at += BigInt(n)))].map((n) => n * BigInt(tick));
          expect(clockGrid(times)).toBe(tick);
        },
      ),
    );
  });

  it("finds a tick that is no whole number, to the nanosecond", () => {
    fc.assert(
      fc.property(
        // 19.2 MHz, as Intel counts, are 52.083 ns.
        fc.constantFrom(1e9 / 19.2e6, 1e9 / 12e6, 1e9 / 24.3e6),
        fc.uniqueArray(fc.integer({ min: 20, max: 300 }), { minLength: 12, maxLength: 40 }),
        (period, steps) => {
          let ticks = 0;
          const times = [0, ...[19, ...steps].map((n) => (ticks += n))].map((n) => BigInt(Math.floor(n * period)));
          expect(clockGrid(times)).toBeCloseTo(period, 0);
        },
      ),
    );
  });

  it("takes no chance resemblance for a tick", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 100, max: 2000 }), { minLength: 24, maxLength: 60 }), (steps) => {
        let at = 0n;
        const exact = steps.reduce(function divisor(a: number, b: number): number {
          return b === 0 ? a : divisor(b, a % b);
        });
        fc.pre(exact === 1 && new Set(steps).size > 12);
        expect(clockGrid([at, ...steps.map((n) => (at += BigInt(n)))])).toBe(1);
      }),
    );
  });

  it("knows nothing of a clock that stands still", () => {
    expect(clockGrid([])).toBeUndefined();
    expect(clockGrid([7n, 7n, 7n])).toBeUndefined();
  });
});

describe("timestampGrid", () => {
  it("is fine where rounding is switched off, and the same device is asked once", async () => {
    const grid = await timestampGrid(shared, read);
    // SwiftShader reads a clock of nanoseconds; hardware counts up to some hundred.
    expect(grid).toBeLessThan(65_536);
    const submit = vi.spyOn(Object.getPrototypeOf(shared.device.queue) as GPUQueue, "submit");
    expect(await timestampGrid(shared, read)).toBe(grid);
    expect(submit).not.toHaveBeenCalled();
    submit.mockRestore();
  });

  it("finds the rounding to 65,536 ns that browsers do, and profiles by repetition then", async () => {
    const gpu = create(["enable-dawn-features=timestamp_quantization"]);
    const rounded = await acquireDevice(gpu);
    expect(await timestampGrid(rounded, read)).toBe(65_536);
    const graph = denseGraph("float32", 8, 8, 8);
    const session = await webgpuEngine.compile(graph, { ...context, gpu }, {});
    const inputs = randomInputs(graph, 1);
    const expected = await session.run(inputs);
    const dispatch = vi.spyOn(GPUComputePassEncoder.prototype, "dispatchWorkgroups");
    const [row, ...others] = await session.profile(inputs);
    expect(others).toEqual([]);
    // A layer of a thousand multiplications is repeated until all that was dispatched spans a hundred ticks, or 6.6 ms. How often that is
    // depends on the machine: on a busy one, a single dispatch may be interrupted for as long.
    expect(row!.ms * dispatch.mock.calls.length).toBeGreaterThan(99 * 0.065_536);
    expect(row!.startMs).toBeUndefined();
    // What repetition found out is remembered: about as many dispatches as were timed last.
    const time = await session.gpuTime!(inputs);
    expect(time).toMatchObject({ gridNs: 65_536 });
    expect(time!.spanMs).toBeGreaterThan(0);
    dispatch.mockRestore();
    // Repetition leaves nothing behind.
    expect(await session.run(inputs)).toEqual(expected);
    session.dispose();
    rounded.release();
  });

  it("is absent without timestamps, and so are GPU times and peaks; profiles are then by the wall", async () => {
    const real = await testGpu();
    const requestAdapter = async (options?: GPURequestAdapterOptions): Promise<unknown> => {
      const adapter = (await real.requestAdapter(options))!;
      const { info, limits } = adapter;
      return { info, limits, features: new Set(), requestDevice: (descriptor: GPUDeviceDescriptor) => adapter.requestDevice(descriptor) };
    };
    const other = { requestAdapter, wgslLanguageFeatures: real.wgslLanguageFeatures } as unknown as GPU;
    const without = await acquireDevice(other);
    expect(await timestampGrid(without, read)).toBeUndefined();
    expect(await webgpuPeaks(without, read)).toEqual([]);
    const graph = denseGraph("float32", 4, 4, 4);
    const session = await webgpuEngine.compile(graph, { ...context, gpu: other }, {});
    expect(await session.gpuTime!(randomInputs(graph, 1))).toBeUndefined();
    expect((await session.profile(randomInputs(graph, 1)))[0]!.ms).toBeGreaterThan(0);
    session.dispose();
    without.release();
  });
});

describe("nextRepeats", () => {
  it("is content with a hundred ticks", () => {
    expect(nextRepeats(LEAST_TICKS * 10, 1, 10)).toBe(1);
    expect(nextRepeats(LEAST_TICKS * 10 - 1, 1, 10)).toBe(2);
    expect(nextRepeats(1e9, 7, 65_536)).toBe(7);
  });

  it("reaches a hundred ticks in a few attempts, however short the region", () => {
    fc.assert(
      fc.property(fc.integer({ min: 500, max: 10_000_000 }), fc.constantFrom(1, 32, 1000, 65_536), (ns, grid) => {
        let repeats = 1;
        for (let attempt = 0; attempt < 6; attempt++) {
          const measured = Math.floor((ns * repeats) / grid) * grid;
          const next = nextRepeats(measured, repeats, grid);
          if (next === repeats) break;
          expect(next).toBeGreaterThan(repeats);
          repeats = next;
        }
        expect(ns * repeats).toBeGreaterThanOrEqual(LEAST_TICKS * grid);
        // Not much longer than needed: a tick or none at first may have overestimated.
        expect(repeats === 1 || ns * repeats <= 130 * LEAST_TICKS * grid).toBe(true);
      }),
    );
  });

  it("ends", () => {
    const limit = nextRepeats(0, 2 ** 14, 65_536);
    expect(limit).toBe(2 ** 14);
  });
});

describe("timeRepeated", () => {
  /** Regions that take what the list says, attempt by attempt. */
  async function timed(attempts: readonly (readonly bigint[])[], gridNs: number): ReturnType<typeof timeRepeated> {
    const words = [...attempts];
    const bytes = (): BigUint64Array => BigUint64Array.from(words.shift() ?? []);
    vi.spyOn(GPUBuffer.prototype, "getMappedRange").mockImplementation(() => bytes().buffer as ArrayBuffer);
    const ledger = new GpuLedger(shared.device);
    try {
      const regions = Array.from({ length: attempts[0]!.length / 2 }, () => ({ repeats: 1, encode: () => undefined }));
      return await timeRepeated(shared, ledger, regions, gridNs);
    } finally {
      vi.restoreAllMocks();
      expect(ledger.liveObjects).toBe(0);
      expect(ledger.liveBytes).toBe(0);
      expect(ledger.peakBytes).toBeGreaterThan(0);
    }
  }

  it("drops negative differences, counts them, and measures those regions again", async () => {
    const report = await timed(
      [
        [100n, 2100n, 5000n, 4000n],
        [7000n, 7500n],
      ],
      1,
    );
    expect(report.dropped).toBe(1);
    expect(report.times.map((time) => time?.ms)).toEqual([0.002, 0.0005]);
  });

  it("says where regions began only if all were timed in one go", async () => {
    const report = await timed([[100n, 2100n, 3000n, 4000n]], 1);
    expect(report).toEqual({
      dropped: 0,
      times: [
        { ms: 0.002, startMs: 0 },
        { ms: 0.001, startMs: 0.0029 },
      ],
    });
  });

  it("leaves out what never becomes long enough, or always runs backwards", async () => {
    const still = await timed(new Array<readonly bigint[]>(6).fill([5n, 5n]), 65_536);
    expect(still).toEqual({ times: [undefined], dropped: 0 });
    const backwards = await timed(new Array<readonly bigint[]>(6).fill([5n, 4n]), 1);
    expect(backwards).toEqual({ times: [undefined], dropped: 6 });
  });

  it("divides by the repetitions that were needed", async () => {
    // 1000 ns of 100 × 100 wanted: 12 repetitions, which take 12,000.
    const report = await timed(
      [
        [0n, 1000n],
        [0n, 12_000n],
      ],
      100,
    );
    expect(report.times).toEqual([{ ms: 0.001 }]);
  });

  it("asks in several submissions for more than a query set holds", async () => {
    const ledger = new GpuLedger(shared.device);
    const submit = vi.spyOn(Object.getPrototypeOf(shared.device.queue) as GPUQueue, "submit");
    const regions = new Array<Region>(MAX_QUERIES / 2 + 1).fill(() => undefined);
    const times = await timeRegions(shared, ledger, regions);
    expect(submit).toHaveBeenCalledTimes(2);
    submit.mockRestore();
    expect(times).toHaveLength(regions.length);
    expect(ledger.liveObjects).toBe(0);
  });
});

describe("GPU time of an inference", () => {
  it("tells span and kernels, and every op's begin", async () => {
    const graph = randomGraph("float32", 3);
    const session = await webgpuEngine.compile(graph, context, {});
    const inputs = randomInputs(graph, 3);
    const time = await session.gpuTime!(inputs);
    expect(time!.spanMs).toBeGreaterThan(0);
    expect(time!.kernelsMs).toBeGreaterThan(0);
    expect(time!.gridNs).toBeGreaterThanOrEqual(1);
    let end = 0;
    for (const { ms, startMs } of await session.profile(inputs)) {
      if (startMs === undefined) continue;
      expect(startMs).toBeGreaterThanOrEqual(end);
      end = startMs + ms * 0.999;
    }
    session.dispose();
  });
});

describe("overhead", () => {
  it("is the line through the ladder", () => {
    const overhead = overheadOf(LADDER.map((n) => [0.2 + 0.001 * n, 0.2 + 0.001 * n, 9]));
    expect(overhead.submitReadMs).toBeCloseTo(0.2, 9);
    expect(overhead.dispatchMs).toBeCloseTo(0.001, 9);
  });

  it("does not say what a dispatch costs where more of them took no longer", () => {
    expect(overheadOf(LADDER.map((n) => [0.2 - 0.0001 * n]))).toEqual({ submitReadMs: expect.any(Number) as number });
  });

  it("is part of what the engine's probe finds", async () => {
    const { facts } = await webgpuEngine.probe(context, {});
    expect(facts["submitReadMs"]).toBeGreaterThan(0);
    expect(facts["timestampGridNs"]).toBe(await timestampGrid(shared, read));
  });
});

describe("peaks", () => {
  it("bound both types and copying, and give back what they hold", async () => {
    const destroyed = vi.spyOn(GPUBuffer.prototype, "destroy");
    const created = vi.spyOn(GPUDevice.prototype, "createBuffer");
    const peaks = await webgpuEngine.peaks!(context, {});
    expect(new Set(peaks.map(({ type }) => type))).toEqual(new Set(["float32", "int8", "copy"]));
    for (const { ms, dispose } of peaks) {
      expect(await ms()).toBeGreaterThan(0);
      dispose?.();
    }
    expect(destroyed.mock.calls.length).toBe(created.mock.calls.length);
    vi.restoreAllMocks();
  });

  it("compute what they claim: sums stay as they are, and everything is copied", async () => {
    const outputOf = async (
      make: (ledger: GpuLedger) => Promise<(pass: GPUComputePassEncoder, repeats: number) => void>,
      label: string,
      fill?: Uint32Array,
    ) => {
      const ledger = new GpuLedger(shared.device);
      let output: GPUBuffer | undefined;
      const real = Object.getOwnPropertyDescriptor(GPUDevice.prototype, "createBuffer")!.value as GPUDevice["createBuffer"];
      vi.spyOn(GPUDevice.prototype, "createBuffer").mockImplementation(function (this: GPUDevice, d) {
        const buffer = real.call(this, { ...d, usage: d.usage | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
        if (d.label === label) output = buffer;
        if (d.label === "copy from") this.queue.writeBuffer(buffer, 0, fill!);
        return buffer;
      });
      const encode = await make(ledger);
      vi.restoreAllMocks();
      const staging = ledger.create("read", output!.size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
      const encoder = shared.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encode(pass, 1);
      pass.end();
      encoder.copyBufferToBuffer(output!, 0, staging, 0, output!.size);
      shared.device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const bytes = staging.getMappedRange().slice(0);
      ledger.destroyAll();
      return bytes;
    };
    for (const form of ["fma", "muladd"]) {
      const kernel = `f32_peak_${form}_8x4__wgsl`;
      const sums = new Float32Array(
        await outputOf((ledger) => peakStep(shared, ledger, read, kernel, { iterations: 3, groups: 2 }), kernel),
      );
      // 8 sums of local + lane + 1 and 0 to 7 more.
      expect([...sums.slice(0, 4)]).toEqual([36, 44, 52, 60]);
      expect(sums.at(-1)).toBe(8 * (255 + 4) + 28);
    }
    for (const dot of shared.facts.dot4 ? ["dot4", "unpack"] : ["unpack"]) {
      const kernel = `i8_peak_${dot}_16x1__wgsl`;
      const sums = new Int32Array(await outputOf((ledger) => peakStep(shared, ledger, read, kernel, { iterations: 3, groups: 1 }), kernel));
      // 16 sums: the low byte of thread + 0 to 15, as a signed one.
      const expected = (thread: number): number =>
        Array.from({ length: 16 }, (_, i) => ((thread + i) << 24) >> 24).reduce((a, b) => a + b, 0);
      expect([sums[0], sums[100], sums[120], sums[255]]).toEqual([0, 100, 120, 255].map(expected));
    }
    const fill = Uint32Array.from({ length: 4 * 5000 }, (_, i) => i * 7);
    const copied = await outputOf((ledger) => copyStep(shared, ledger, read, fill.byteLength), "copy to", fill);
    expect(new Uint32Array(copied)).toEqual(fill);
  });
});
