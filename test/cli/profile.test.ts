/** `bench profile` as a user runs it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { exportSlim } from "../../src/formats/slim/export.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/ir.ts";
import type { Profile } from "../../src/harness/profile.ts";
import { traceText } from "../../src/report/trace.ts";
import { random } from "../engines/generated.ts";
import { bench } from "./spawn.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-profile-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** x + conv(relu(conv(x))) in an 8 × 8 image of four channels, clamped, and an activation that stays a node. */
function residualNet(): Graph {
  const b = new GraphBuilder("residual");
  const rand = random(1);
  const weights = (name: string): string =>
    b.constant(
      name,
      "float32",
      [4, 3, 3, 4],
      Float32Array.from({ length: 144 }, () => rand() + 0.1),
    );
  const attrs = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1 } as const;
  const x = b.input("x", "float32", [1, 8, 8, 4]);
  const stem = b.add("Conv2D", "stem", [x, weights("w1")], { ...attrs, activation: { kind: "clamp", min: 0, max: Infinity } });
  const branch = b.add("Conv2D", "branch", [stem, weights("w2")], attrs);
  const sum = b.add("Binary", "sum", [branch, x], { fn: "add", activation: { kind: "clamp", min: 0, max: 6 } });
  return b.finish([b.add("Unary", "last", [sum], { fn: "hardswish" })]);
}

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

  it("shows what is fused into a kernel in its row, and counts the same operations on every engine", async () => {
    const model = join(folder, "residual.slim");
    writeFileSync(model, exportSlim(residualNet()));
    const trace = join(folder, "residual.json");
    const profiles = new Map<string, Profile>();
    for (const target of ["cpu", "wasm", "webgpu"]) {
      const { code, stdout } = await bench(["profile", model, "--target", target, "--runs", "2", "--format", "json", "--trace", trace]);
      expect(code).toBe(0);
      profiles.set(target, JSON.parse(stdout) as Profile);
    }
    const rowsOf = (target: string): unknown => profiles.get(target)!.ops.map(({ nodes, ops, operations }) => ({ nodes, ops, operations }));
    // 8 × 8 × 4 outputs of 3 × 3 × 4 windows.
    const [products, elements] = [2 * 256 * 36, 256];
    const stem = { nodes: ["stem"], ops: ["Conv2D", "Relu"], operations: products + elements };
    const apart = [
      { nodes: ["branch"], ops: ["Conv2D"], operations: products },
      { nodes: ["sum"], ops: ["Add", "Relu6"], operations: 2 * elements },
      { nodes: ["last"], ops: ["HardSwish"], operations: elements },
    ];
    expect(rowsOf("cpu")).toEqual([stem, ...apart]);
    const fused = { nodes: ["branch", "sum"], ops: ["Conv2D", "Add", "Relu6"], operations: products + 2 * elements };
    for (const target of ["wasm", "webgpu"]) expect(rowsOf(target)).toEqual([stem, fused, apart[2]]);
    // Both images that go in, weights, and what comes out: not what the layer alone would give.
    expect(profiles.get("webgpu")!.ops[1]!.bytes).toBe(4 * (2 * elements + 4 * 36 + elements));
    const { traceEvents } = JSON.parse(readFileSync(trace, "utf8")) as {
      readonly traceEvents: readonly { readonly name: string; readonly args: { readonly nodes?: readonly string[] } }[];
    };
    expect(traceEvents.find(({ args }) => args.nodes?.includes("sum"))).toMatchObject({
      name: "Conv2D+Add+Relu6 branch",
      args: { nodes: ["branch", "sum"] },
    });
    const { stdout } = await bench(["profile", model, "--target", "webgpu", "--runs", "1"]);
    expect(stdout).toMatch(/branch \+ sum +│? *Conv2D\+Add\+Relu6/);
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
  const CONV = { node: "a", op: "Conv2D", nodes: ["a", "sum"], ops: ["Conv2D", "Add", "Relu"], kernel: "k1" } as const;
  const DENSE = { node: "b", op: "Dense", nodes: ["b"], ops: ["Dense"], kernel: "k2" } as const;

  it("gives a GPU a track of its own, with ops where its clock saw them begin, beside the host's wait", () => {
    const ops = [
      { ...CONV, ms: 0.5, startMs: 0 },
      { ...DENSE, ms: 0.25, startMs: 0.75 },
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
      { ...CONV, ms: 0.5 },
      { ...DENSE, ms: 0.25 },
    ];
    const { traceEvents } = JSON.parse(traceText("net", ops)) as { readonly traceEvents: readonly unknown[] };
    expect(traceEvents.slice(1)).toEqual([
      {
        name: "Conv2D+Add+Relu a",
        cat: "Conv2D",
        ph: "X",
        ts: 0,
        dur: 500,
        pid: 1,
        tid: 1,
        args: { kernel: "k1", nodes: ["a", "sum"] },
      },
      { name: "Dense b", cat: "Dense", ph: "X", ts: 500, dur: 250, pid: 1, tid: 1, args: { kernel: "k2", nodes: ["b"] } },
    ]);
  });
});
