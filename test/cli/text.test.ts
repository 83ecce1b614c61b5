/** Small texts and decisions of the command line. */
import { describe, expect, it } from "vitest";
import { describeFailure, sentences } from "../../src/cli/errors.ts";
import { everyTarget } from "../../src/cli/doctor.ts";
import { createReporter, estimateLeft, formatDuration, recordLine } from "../../src/cli/progress-bar.ts";
import { exitCodeOf } from "../../src/cli/run.ts";
import { UnavailableError, UsageError } from "../../src/errors.ts";
import type { OkRecord, ResultRecord } from "../../src/results/schema.ts";

const ok: OkRecord = {
  model: "m",
  recipe: "int8",
  target: "wasm",
  status: "ok",
  latencyMs: { samples: [1], n: 30, median: 1.2345, ci95: [1.2, 1.3], mean: 1.25, min: 1, max: 2, stopReason: "settled" },
  accuracy: { metric: "top1", value: 0.9876, n: 500 },
  kernels: [],
  warnings: [],
};

function notOk(status: "failed" | "unavailable", code: string): ResultRecord {
  return { model: "m", recipe: "int8", target: "webgpu", status, reason: { code, message: "why not", remedy: "" } };
}

describe("exitCodeOf", () => {
  it.each([
    [[ok], 0, 0],
    [[ok], 3, 3],
    [[ok], 1, 1],
    [[ok, notOk("unavailable", "no-gpu")], 0, 4],
    [[ok, notOk("failed", "child-crashed")], 3, 4],
    [[ok, notOk("failed", "child-crashed")], 1, 1],
    [[ok, notOk("failed", "parity"), notOk("unavailable", "no-gpu")], 0, 1],
  ] as const)("case %#", (records, gate, expected) => {
    expect(exitCodeOf(records, gate)).toBe(expected);
  });
});

describe("everyTarget", () => {
  it("pairs engines with the hosts that can have them", () => {
    expect(everyTarget(false)).toEqual([
      "cpu",
      "wasm",
      "webgpu",
      "gpujs-cpu",
      "cpu@chrome",
      "wasm@chrome",
      "webgpu@chrome",
      "webgl@chrome",
    ]);
    expect(everyTarget(true)).toEqual(expect.arrayContaining([...everyTarget(false), "wasm@firefox"]));
  });
});

describe("sentences", () => {
  it.each([
    ["it broke", "fix it", "it broke. Fix it"],
    ["it broke.", "Fix it.", "it broke. Fix it"],
    ["it broke", "", "it broke"],
    ["it broke. Fix it", "Fix it", "it broke. Fix it"],
    ["did it break?", "look", "did it break? Look"],
    ["it broke\n  in two", "npm ci mends it", "it broke in two. npm ci mends it"],
  ])("%j and %j", (message, remedy, expected) => {
    expect(sentences(message, remedy)).toBe(expected);
  });
});

describe("describeFailure", () => {
  it("takes the exit code from the error, and one of its own for bugs", () => {
    expect(describeFailure(new UsageError("bad", "good"))).toMatchObject({ line: "error: bad. Good", exitCode: 2 });
    expect(describeFailure(new UnavailableError("x", "gone"))).toMatchObject({ line: "error: gone", exitCode: 4 });
    expect(describeFailure(new TypeError("oops"))).toMatchObject({ exitCode: 4, line: expect.stringContaining("--verbose") as string });
    expect(describeFailure("thrown text").line).toMatch(/^error: thrown text/);
  });
});

describe("progress", () => {
  it("estimates from the finished records only", () => {
    expect(estimateLeft(5000, 0, 10)).toBeUndefined();
    expect(estimateLeft(5000, 2, 10)).toBe(20_000);
    expect(estimateLeft(5000, 10, 10)).toBe(0);
    expect(formatDuration(65_400)).toBe("1:05");
    expect(formatDuration(3_600_000)).toBe("60:00");
  });

  it("writes one line a record where there is no terminal", () => {
    const lines: string[] = [];
    const stream = { isTTY: false, write: (text: string) => lines.push(text) } as unknown as NodeJS.WriteStream;
    const reporter = createReporter({ stream, verbose: false });
    reporter.begin(2, 1);
    reporter.output("noise of a child");
    reporter.done(ok);
    reporter.done(notOk("unavailable", "no-gpu"));
    reporter.end();
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^\[1\/2, \d+:\d\d left\] m int8 wasm: 1\.23 ms \(1\.20 to 1\.30\), 30 samples, top-1 98\.76 % of 500\n$/);
    expect(lines[1]).toMatch(/^\[2\/2, 0:00 left\] m int8 webgpu: unavailable, why not\n$/);
    expect(recordLine({ ...ok, latencyMs: { ...ok.latencyMs, processes: [1.2, 1.23, 1.3] } })).toMatch(/, 30 samples of 3 processes, /);
    expect(recordLine({ ...ok, latencyMs: { ...ok.latencyMs, ci95: undefined } })).not.toMatch(/\(/);
  });

  it("draws a bar with model, recipe, target, phase and time left on a terminal", () => {
    let text = "";
    const stream = {
      isTTY: true,
      columns: 200,
      write: (part: string) => ((text += part), true),
      on: () => stream,
      removeListener: () => stream,
    } as unknown as NodeJS.WriteStream;
    const reporter = createReporter({ stream, verbose: false });
    reporter.begin(2, 3);
    reporter.phase(
      { model: { name: "net" }, recipe: { text: "int8" }, target: { text: "wasm" } } as Parameters<typeof reporter.phase>[0],
      "compiling",
      0,
    );
    reporter.done(ok);
    reporter.end();
    expect(text).toMatch(/0\/2 \| net int8 wasm \| compiling \| ETA -/);
  });
});
