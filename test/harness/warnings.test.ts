/** Every timing warning appears when it should, and a clean run has none. */
import { describe, expect, it } from "vitest";
import { presetOf, samplingFor } from "../../src/harness/presets.ts";
import type { SamplingResult } from "../../src/hosts/sampling.ts";
import {
  accuracySampled,
  opsOnCpu,
  softwareAdapter,
  threadsBeyondCores,
  timingWarnings,
  watchWarnings,
} from "../../src/harness/warnings.ts";

const SETTINGS = samplingFor(presetOf("normal"), false, 1);
const clean = Array.from({ length: 40 }, (_, i) => 10 + ((i * 7) % 11) / 100);

function keys(result: Partial<SamplingResult>, firstMs = 12): readonly string[] {
  const full: SamplingResult = {
    samples: clean,
    blockCalls: 1,
    stopReason: "settled",
    warmup: { runs: 50, ms: 600, restarts: 0, steady: true },
    clockStepMs: 0.0001,
    ...result,
  };
  return timingWarnings([full], SETTINGS, firstMs).map(({ key }) => key);
}

describe("timingWarnings", () => {
  it("a clean run has none", () => {
    expect(keys({})).toEqual([]);
  });

  it("still-warming: a warm-up that never settled", () => {
    expect(keys({ warmup: { runs: 9, ms: 2500, restarts: 0, steady: false } })).toEqual(["still-warming"]);
  });

  it("still-warming: a second half that is clearly faster", () => {
    expect(keys({ samples: clean.map((ms, i) => (i < 20 ? ms * 1.2 : ms)) })).toEqual(["still-warming"]);
    expect(keys({ samples: clean.map((ms, i) => (i < 20 ? ms * 1.01 : ms)) })).toEqual([]);
    // Getting slower is drift, not warming.
    expect(keys({ samples: clean.map((ms, i) => (i < 20 ? ms : ms * 1.2)) })).toEqual([]);
  });

  it("fewer-samples-than-asked", () => {
    expect(keys({ samples: clean.slice(0, 8) })).toEqual(["fewer-samples-than-asked"]);
  });

  it("timer-saturated: zeros, or hardly any distinct values", () => {
    expect(keys({ samples: clean.map((ms, i) => (i % 3 === 0 ? ms : 0)) })).toContain("timer-saturated");
    expect(keys({ samples: clean.map((_, i) => (i % 2 === 0 ? 1 : 2)) })).toContain("timer-saturated");
  });

  it("outliers: more than one in twenty far out", () => {
    expect(keys({ samples: clean.map((ms, i) => (i % 10 === 0 ? 50 : ms)) })).toEqual(["outliers"]);
    expect(keys({ samples: clean.map((ms, i) => (i === 5 ? 50 : ms)) })).toEqual([]);
  });

  it("interval-wide: time ran out far from the precision asked for", () => {
    const samples = clean.map((_, i) => 5 + ((i * 0.618) % 1) * 10);
    expect(keys({ samples, stopReason: "time-limit" })).toEqual(["interval-wide"]);
    expect(keys({ stopReason: "time-limit" })).toEqual([]);
  });

  it("first-run-slow: many times the median, and long enough to be felt", () => {
    expect(keys({}, 400)).toEqual(["first-run-slow"]);
    expect(keys({}, 90)).toEqual([]);
    expect(keys({ samples: clean.map((ms) => ms / 1000) }, 40)).toEqual([]);
  });

  const process = (samples: readonly number[], fields: Partial<SamplingResult> = {}): SamplingResult => ({
    samples,
    blockCalls: 1,
    stopReason: "settled",
    warmup: { runs: 50, ms: 600, restarts: 0, steady: true },
    clockStepMs: 0.0001,
    ...fields,
  });

  it("processes-disagree: medians further apart than their noise and than a tenth", () => {
    const of = (...factors: readonly number[]): readonly { readonly key: string; readonly evidence: string }[] =>
      timingWarnings(
        factors.map((factor) => process(clean.map((ms) => ms * factor))),
        SETTINGS,
        12,
      );
    expect(of(1, 1.01, 1.02)).toEqual([]);
    expect(of(1, 2, 1)).toMatchObject([
      { key: "processes-disagree", evidence: "the slowest of 3 processes took 2.00 times as long as the fastest, each steady in itself" },
    ]);
    const noisy = clean.map((_, i) => 10 + ((i * 0.618) % 1) * 30);
    const apart = [process(noisy), process(noisy.map((ms) => ms * 1.15))];
    expect(timingWarnings(apart, SETTINGS, 12).map(({ key }) => key)).not.toContain("processes-disagree");
  });

  it("interval-wide: processes that are not far apart, but far for the precision asked for", () => {
    const found = timingWarnings(
      [1, 1.04, 1.09].map((factor) => process(clean.map((ms) => ms * factor))),
      SETTINGS,
      12,
    );
    expect(found).toMatchObject([{ key: "interval-wide" }]);
    expect(found[0]?.evidence).toMatch(/^95 % interval of the median is ±10\.8 % over 3 processes$/);
  });

  it("names the process that a warning is about", () => {
    const found = timingWarnings([process(clean), process(clean.slice(0, 8))], SETTINGS, 12);
    expect(found).toMatchObject([
      { key: "fewer-samples-than-asked", evidence: expect.stringMatching(/^process 2 of 2: 8 samples/) as string },
    ]);
  });

  it("each carries numbers and a next step", () => {
    const all = [
      ...timingWarnings(
        [
          {
            samples: clean.slice(0, 8),
            blockCalls: 1,
            stopReason: "time-limit",
            warmup: { runs: 1, ms: 2500, restarts: 0, steady: false },
            clockStepMs: 0.001,
          },
        ],
        SETTINGS,
        900,
      ),
      softwareAdapter("SwiftShader"),
      accuracySampled(500, 10_000),
      opsOnCpu([{ node: "a", op: "Resize" }], 9),
    ];
    expect(all.length).toBe(6);
    for (const { evidence, next } of all) {
      expect(evidence.length).toBeGreaterThan(10);
      expect(next.length).toBeGreaterThan(10);
    }
    expect(all[4]?.evidence).toBe("500 of 10000 test samples");
    expect(all[5]?.evidence).toBe("1 of 9 ops run on the cpu engine: Resize");
  });

  it("say when threads outnumber cores, and only then", () => {
    expect(threadsBeyondCores({ threads: 3, cores: 2 })).toMatchObject([
      {
        key: "threads-beyond-cores",
        evidence: "3 threads on 2 cores: they take turns, and each waits for the others",
        next: "Use threads=2",
      },
    ]);
    expect(threadsBeyondCores({ threads: 2, cores: 2 })).toEqual([]);
    expect(threadsBeyondCores({ threads: 2 })).toEqual([]);
    expect(threadsBeyondCores({})).toEqual([]);
  });
});

describe("watchWarnings", () => {
  const fine = { ms: 2000, hiddenMs: 0, tickMs: 100, tickedMs: 101, workerWaitMs: 4 };
  const keysOf = (...watches: Parameters<typeof watchWarnings>[0]): readonly string[] => watchWarnings(watches).map(({ key }) => key);

  it("a page in front has none, though a busy system delays its timers", () => {
    expect(keysOf()).toEqual([]);
    expect(keysOf(fine, { ...fine, tickedMs: 250, workerWaitMs: 60 })).toEqual([]);
  });

  it("page-hidden: the longest time counts, once", () => {
    const warnings = watchWarnings([fine, { ...fine, hiddenMs: 10 }, { ...fine, hiddenMs: 1500 }]);
    expect(warnings.map(({ key }) => key)).toEqual(["page-hidden"]);
    expect(warnings[0]?.evidence).toMatch(/hidden for 1\.5 of 2\.0 s/);
  });

  it("page-throttled: timers of the page that ring once a second, or of the worker", () => {
    expect(keysOf({ ...fine, tickedMs: 1000 })).toEqual(["page-throttled"]);
    expect(watchWarnings([{ ...fine, workerWaitMs: 900 }])[0]?.evidence).toMatch(/0 ms took 900 ms/);
    // Too short to say.
    expect(keysOf({ ...fine, ms: 600, tickedMs: 600 })).toEqual([]);
  });
});
