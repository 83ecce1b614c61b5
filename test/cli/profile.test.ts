/** `bench profile` as a user runs it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Profile } from "../../src/harness/profile.ts";
import { traceText } from "../../src/report/trace.ts";
import { bench } from "./spawn.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-profile-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("bench profile", () => {
  it.each(["cpu", "wasm", "webgpu"])("tells every op's time, rate and kernel on %s", async (target) => {
    const { code, stdout } = await bench(["profile", "lenet5", "--target", target, "--runs", "3", "--format", "json"]);
    expect(code).toBe(0);
    const { ops, plainMs, instrumentedMs, runs, ceilings, gpu } = JSON.parse(stdout) as Profile;
    expect(runs).toBe(3);
    expect(plainMs).toBeGreaterThan(0);
    expect(instrumentedMs).toBeGreaterThan(0);
    const conv = ops.find(({ node }) => node === "conv1");
    // 28 × 28 × 6 outputs of 5 × 5 windows; image, weights, bias and output in float32.
    expect(conv).toMatchObject({ op: "Conv2D", output: [1, 28, 28, 6], macs: 117_600, bytes: 4 * (784 + 150 + 6 + 4704) });
    expect(ops.every(({ ms, kernel }) => ms >= 0 && kernel !== "")).toBe(true);
    expect(ceilings.map(({ type }) => type).sort()).toEqual(["copy", "float32", "int8"]);
    expect(ceilings.every(({ giga }) => giga > 0)).toBe(true);
    expect(ops.find(({ node }) => node === "conv1")?.bound?.share).toBeGreaterThan(0);
    if (target !== "webgpu") expect(gpu).toBeUndefined();
    else for (const value of [gpu?.spanMs, gpu?.kernelsMs, gpu?.gridNs, gpu?.submitReadMs]) expect(value).toBeGreaterThan(0);
  });

  it("writes a trace that Perfetto opens", async () => {
    const trace = join(folder, "trace.json");
    const { code, stdout } = await bench(["profile", "lenet5", "--recipe", "int8", "--runs", "2", "--top", "2", "--trace", trace]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/lenet5 · int8 · wasm/);
    // Heads, two ops and the sum between three lines.
    expect(stdout.split("\n").filter((line) => /^ *\d+ /.test(line))).toHaveLength(2);
    const { traceEvents } = JSON.parse(readFileSync(trace, "utf8")) as { readonly traceEvents: readonly { readonly ph: string }[] };
    expect(traceEvents.filter(({ ph }) => ph === "X").length).toBeGreaterThan(5);
  });

  it("refuses what makes no sense", async () => {
    expect(await bench(["profile", "lenet5", "--runs", "0"])).toMatchObject({ code: 2 });
    expect(await bench(["profile", "nonsense"])).toMatchObject({ code: 2 });
    expect(await bench(["profile", "lenet5", "--trace", join(folder, "no", "such", "folder.json"), "--runs", "1"])).toMatchObject({
      code: 2,
    });
  });
});

describe("traceText", () => {
  it("gives a GPU a track of its own, with ops where its clock saw them begin, beside the host's wait", () => {
    const ops = [
      { node: "a", op: "Conv2D", kernel: "k1", ms: 0.5, startMs: 0 },
      { node: "b", op: "Dense", kernel: "k2", ms: 0.25, startMs: 0.75 },
    ];
    const { traceEvents } = JSON.parse(traceText("net", ops, 2)) as {
      readonly traceEvents: readonly { readonly ph: string; readonly tid: number; readonly ts: number; readonly dur: number }[];
    };
    const spans = traceEvents.filter(({ ph }) => ph === "X").map(({ tid, ts, dur }) => [tid, ts, dur]);
    expect(spans).toEqual([
      [1, 0, 2000],
      [2, 0, 500],
      [2, 750, 250],
    ]);
  });

  it("places ops one after the other, in microseconds", () => {
    const ops = [
      { node: "a", op: "Conv2D", kernel: "k1", ms: 0.5 },
      { node: "b", op: "Dense", kernel: "k2", ms: 0.25 },
    ];
    const { traceEvents } = JSON.parse(traceText("net", ops)) as { readonly traceEvents: readonly unknown[] };
    expect(traceEvents.slice(1)).toEqual([
      { name: "Conv2D a", cat: "Conv2D", ph: "X", ts: 0, dur: 500, pid: 1, tid: 1, args: { kernel: "k1" } },
      { name: "Dense b", cat: "Dense", ph: "X", ts: 500, dur: 250, pid: 1, tid: 1, args: { kernel: "k2" } },
    ]);
  });
});
