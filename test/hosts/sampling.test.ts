/** The timing loop under a fake clock: every decision follows from the times that a script gives. */
import { describe, expect, it } from "vitest";
import { clockStep, sampleLatency } from "../../src/hosts/sampling.ts";
import type { SamplingSettings } from "../../src/hosts/sampling.ts";

const SETTINGS: SamplingSettings = {
  warmup: { floorMs: 100, maxMs: 1000, minRuns: 2 },
  minSamples: 20,
  floorSamples: 20,
  maxSamples: 200,
  precision: 0.02,
  minTimeMs: 100,
  timeLimitMs: 2000,
  blockClockSteps: 100,
};

/** A clock that moves only when a call takes time, in steps of `stepMs` where given. */
function fake(
  msOfCall: (index: number) => number,
  stepMs = 0,
): { call: (index: number) => Promise<void>; now: () => number; calls: () => number } {
  let time = 0;
  let calls = 0;
  return {
    call: (index) => {
      time += msOfCall(index);
      calls++;
      return Promise.resolve();
    },
    // A clock that is read advances a little, else its step could not be found.
    now: () => {
      time += 0.0001;
      return stepMs === 0 ? time : Math.floor(time / stepMs) * stepMs;
    },
    calls: () => calls,
  };
}

/** Alternates around a value, so that the direction changes on every call. */
const steady =
  (ms: number, spread = 0.01) =>
  (i: number): number =>
    ms * (1 + (i % 2 === 0 ? spread : -spread));

describe("sampleLatency", () => {
  it("settles at the least number of samples when times hardly vary", async () => {
    const clock = fake(steady(10));
    const result = await sampleLatency(clock.call, SETTINGS, clock);
    expect(result.stopReason).toBe("settled");
    expect(result.samples).toHaveLength(20);
    expect(result.warmup.steady).toBe(true);
    expect(result.warmup.ms).toBeGreaterThanOrEqual(100);
    expect(result.blockCalls).toBe(1);
    for (const ms of result.samples) expect(Math.abs(ms - 10)).toBeLessThan(0.2);
  });

  it("keeps every sample in order, outliers too", async () => {
    const times = (i: number): number => (i === 20 ? 500 : steady(10)(i));
    const clock = fake(times);
    const result = await sampleLatency(clock.call, SETTINGS, clock);
    const first = result.warmup.runs;
    expect(first).toBeLessThanOrEqual(20);
    result.samples.forEach((ms, i) => expect(ms).toBeCloseTo(times(first + i), 2));
    expect(Math.max(...result.samples)).toBeGreaterThan(499);
  });

  it("goes on until the interval is narrow, then says so", async () => {
    // Wide at first: two modes; later one.
    const clock = fake((i) => (i < 80 ? (i % 2 === 0 ? 8 : 12) : steady(8, 0.001)(i)));
    const result = await sampleLatency(clock.call, SETTINGS, clock);
    expect(result.stopReason).toBe("settled");
    // More than half of the samples must be of the narrow mode.
    expect(result.samples.length).toBeGreaterThan(60);
    expect(result.samples.length).toBeLessThan(200);
  });

  it("stops at the time limit with as many samples as it must have", async () => {
    const noisy = (i: number): number => [50, 150, 90, 210, 60][i % 5] ?? 0;
    const clock = fake(noisy);
    const result = await sampleLatency(clock.call, SETTINGS, clock);
    expect(result.stopReason).toBe("time-limit");
    expect(result.samples.length).toBeGreaterThanOrEqual(20);
    const slow = fake((i) => 10 * noisy(i));
    expect((await sampleLatency(slow.call, SETTINGS, slow)).samples).toHaveLength(20);
  });

  it("takes fewer samples where the settings allow it: a software GPU", async () => {
    const clock = fake((i) => [500, 900, 700][i % 3] ?? 0);
    const result = await sampleLatency(clock.call, { ...SETTINGS, floorSamples: 6 }, clock);
    expect(result.stopReason).toBe("time-limit");
    expect(result.samples).toHaveLength(6);
  });

  it("stops at the most samples", async () => {
    const clock = fake((i) => 1 + ((i * 0.618034) % 1) * 4);
    const result = await sampleLatency(clock.call, { ...SETTINGS, timeLimitMs: 1e6 }, clock);
    expect(result.stopReason).toBe("max-samples");
    expect(result.samples).toHaveLength(200);
  });

  it("warms up past the floor while calls still get faster", async () => {
    // A compiler that needs half a second: 10 ms a call before, 4 ms after.
    const tierUp = (i: number): number => steady(i < 50 ? 10 : 4)(i);
    const clock = fake(tierUp);
    const result = await sampleLatency(clock.call, { ...SETTINGS, warmup: { floorMs: 550, maxMs: 5000, minRuns: 2 } }, clock);
    expect(result.warmup.steady).toBe(true);
    expect(result.warmup.ms).toBeGreaterThan(600);
    expect(Math.max(...result.samples)).toBeLessThan(5);
  });

  it("samples anew when the samples show a compiler that came late", async () => {
    // Steady through the warm-up, then twice as fast from call 30 on, within the samples.
    const clock = fake((i) => steady(i < 30 ? 10 : 5)(i));
    const result = await sampleLatency(clock.call, { ...SETTINGS, precision: 0.001, maxSamples: 40 }, clock);
    expect(result.warmup.restarts).toBe(1);
    expect(Math.max(...result.samples)).toBeLessThan(6);
  });

  it("samples anew twice at most", async () => {
    const clock = fake((i) => 10 * 0.997 ** i);
    const result = await sampleLatency(clock.call, { ...SETTINGS, precision: 0.001, maxSamples: 40 }, clock);
    expect(result.warmup).toMatchObject({ restarts: 2, steady: false });
    expect(result.samples).toHaveLength(40);
  });

  it("gives up warming at the limit and says that it was not steady", async () => {
    const clock = fake((i) => 50 + i / 10);
    const result = await sampleLatency(clock.call, { ...SETTINGS, warmup: { floorMs: 100, maxMs: 400, minRuns: 2 } }, clock);
    expect(result.warmup.steady).toBe(false);
    expect(result.warmup.ms).toBeGreaterThanOrEqual(400);
  });

  it("times calls in blocks when the clock is coarse", async () => {
    const clock = fake(steady(0.02, 0.001), 0.1);
    const result = await sampleLatency(clock.call, { ...SETTINGS, precision: 0.05 }, clock);
    expect(result.clockStepMs).toBeCloseTo(0.1, 6);
    // 100 steps of 0.1 ms are 10 ms: about 500 calls of 0.02 ms.
    expect(result.blockCalls).toBeGreaterThan(300);
    for (const ms of result.samples) expect(Math.abs(ms - 0.02)).toBeLessThan(0.001);
  });

  it("spreads the samples of a fast model over the least time", async () => {
    const clock = fake(steady(0.05));
    const result = await sampleLatency(clock.call, SETTINGS, clock);
    expect(result.samples.length).toBeLessThanOrEqual(200);
    // Far more calls than samples: the ones between are not timed.
    expect(clock.calls() - result.warmup.runs).toBeGreaterThan(1500);
  });

  it("numbers its calls without a gap, so that inputs can rotate", async () => {
    const seen: number[] = [];
    const clock = fake(steady(10));
    await sampleLatency((i) => (seen.push(i), clock.call(i)), SETTINGS, clock);
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, i) => i));
  });

  it("reports progress outside the timed calls and passes errors on", async () => {
    const clock = fake(steady(10));
    const phases = new Set<string>();
    await sampleLatency(clock.call, SETTINGS, {
      now: clock.now,
      progress: (phase, fraction) => {
        phases.add(phase);
        expect(fraction).toBeGreaterThanOrEqual(0);
        expect(fraction).toBeLessThanOrEqual(1);
        return Promise.resolve();
      },
    });
    expect([...phases]).toEqual(["warming up", "timing"]);
    await expect(sampleLatency(() => Promise.reject(new Error("lost")), SETTINGS, clock)).rejects.toThrow("lost");
  });
});

describe("clockStep", () => {
  it("finds the grid of a coarse clock", () => {
    let reads = 0;
    expect(clockStep(() => Math.floor(reads++ / 100) * 5)).toBe(5);
  });

  it("does not hang on a clock that stands still", () => {
    expect(clockStep(() => 7)).toBe(0.001);
  });
});
