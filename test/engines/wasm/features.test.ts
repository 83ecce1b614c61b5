/** Feature probes, run on imitations of hosts: right, wrong, and wrong only after a while. */
import { describe, expect, it } from "vitest";
import { webAssembly } from "../../../src/engines/wasm/api.ts";
import { FeatureProbe, hostFeatures } from "../../../src/engines/wasm/features.ts";
import type { ProbeHost } from "../../../src/engines/wasm/features.ts";
import { wasmEngine } from "../../../src/engines/wasm/index.ts";
import { dotExpectations, maddExpectations } from "../../../src/engines/wasm/probe/lanes.ts";
import type { LaneFunction, Lanes } from "../../../src/engines/wasm/probe/lanes.ts";
import { RELAXED_MODULE, SIMD_MODULE } from "../../../src/engines/wasm/probe/modules.ts";
import { context } from "./context.ts";

const BUFFER = new ArrayBuffer(65536);
const clamp16 = (x: number): number => Math.max(-32768, Math.min(32767, x));

/** @param lane index of an int32 lane → the sum of its four products */
function dotOf(lane: (a: Int8Array, b: Uint8Array, i: number) => number): LaneFunction {
  return (a, b, c, to, count) => {
    const [left, right] = [new Int8Array(BUFFER, a), new Uint8Array(BUFFER, b)];
    const [sums, out] = [new Int32Array(BUFFER, c), new Int32Array(BUFFER, to)];
    for (let i = 0; i < count * 4; i++) out[i] = sums[i]! + lane(left, right, i);
  };
}

function maddOf(lane: (a: number, b: number, c: number) => number): LaneFunction {
  return (a, b, c, to, count) => {
    const [x, y, z, out] = [a, b, c, to].map((at) => new Float32Array(BUFFER, at)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    for (let i = 0; i < count * 4; i++) out[i] = lane(x[i]!, y[i]!, z[i]!);
  };
}

const QUAD = [0, 1, 2, 3];
const product = (a: Int8Array, b: Uint8Array, i: number): number => a[i]! * b[i]!;
const EXACT = dotOf((a, b, i) => QUAD.reduce((sum, j) => sum + product(a, b, i * 4 + j), 0));
const SIGNED = dotOf((a, b, i) => QUAD.reduce((sum, j) => sum + a[i * 4 + j]! * ((b[i * 4 + j]! << 24) >> 24), 0));
const SATURATING = dotOf((a, b, i) => [0, 2].reduce((sum, j) => sum + clamp16(product(a, b, i * 4 + j) + product(a, b, i * 4 + j + 1)), 0));
const FUSED = maddOf((a, b, c) => a * b + c);
const SEPARATE = maddOf((a, b, c) => Math.fround(a * b) + c);

/** The function, with one bit of one result wrong from call number `from` on. */
function corrupt(run: LaneFunction, element: number, from = 0): LaneFunction {
  let calls = 0;
  return (a, b, c, to, count) => {
    run(a, b, c, to, count);
    if (calls++ >= from) new Int32Array(BUFFER, to)[element]! ^= 1;
  };
}

function host(overrides: Partial<ProbeHost> = {}, lanes: Partial<Lanes> = {}): ProbeHost {
  return {
    simd: true,
    v8: 13,
    lanes: () => Promise.resolve({ buffer: BUFFER, dot: EXACT, madd: FUSED, ...lanes }),
    sharedMemory: true,
    x86: () => Promise.resolve(true),
    ...overrides,
  };
}

async function probed(overrides: Partial<ProbeHost> = {}, lanes: Partial<Lanes> = {}): ReturnType<typeof hostFeatures> {
  return (await FeatureProbe.create(host(overrides, lanes))).current();
}

describe("probe vectors", () => {
  it("tell the behaviours apart", () => {
    for (const { results } of [dotExpectations(), maddExpectations()]) {
      const texts = [...results.values()].map((bits) => bits.join());
      expect(new Set(texts).size).toBe(results.size);
    }
  });

  it("hold the extremes of both operands together", () => {
    const [a, b] = dotExpectations().operands as readonly [Int8Array, Uint8Array, Int32Array];
    for (const [x, y] of [
      [-128, 255],
      [127, 255],
      [-128, 128],
      [127, 127],
    ]) {
      expect(a.some((_, i) => i % 4 === 0 && QUAD.every((j) => a[i + j] === x && b[i + j] === y))).toBe(true);
    }
  });
});

describe("features of a host", () => {
  it("follow from what the instructions compute", async () => {
    expect(await probed()).toMatchObject({ relaxed: true, dot: "exact", madd: "fused" });
    expect(await probed({}, { dot: SIGNED })).toMatchObject({ relaxed: true, dot: "signed" });
    expect(await probed({}, { dot: SATURATING, madd: SEPARATE })).toMatchObject({ dot: "saturating", madd: "separate" });
    const all = ["relaxed-dot", "relaxed-madd", "wide-tiles"];
    expect([...(await probed()).features].sort()).toEqual(all);
    expect([...(await probed({}, { dot: SIGNED })).features].sort()).toEqual(all.slice(1));
    expect([...(await probed({}, { dot: SATURATING, madd: SEPARATE })).features].sort()).toEqual(all.slice(1));
  });

  it("are lost by a single wrong bit", async () => {
    for (const element of [0, 117, 1023]) {
      const wrongDot = await probed({}, { dot: corrupt(EXACT, element) });
      expect(wrongDot.dot).toBe("none");
      expect(wrongDot.features.has("relaxed-dot")).toBe(false);
      const wrongMadd = await probed({}, { madd: corrupt(FUSED, element) });
      expect(wrongMadd.madd).toBe("none");
      expect(wrongMadd.features.has("relaxed-madd")).toBe(false);
    }
  });

  it("are lost when optimized code computes something else, during the probe or after it", async () => {
    expect((await probed({}, { dot: corrupt(EXACT, 5, 1000) })).dot).toBe("none");
    // The probe itself never sees this one; the check before the second session does.
    const probe = await FeatureProbe.create(host({}, { dot: corrupt(EXACT, 5, 1201) }));
    expect(probe.current().dot).toBe("exact");
    expect(probe.current().dot).toBe("none");
    expect(probe.current().features.has("relaxed-dot")).toBe(false);
  });

  it("need a compiler that is trusted", async () => {
    const never = (): Promise<Lanes> => Promise.reject(new Error("must not be compiled"));
    for (const v8 of [10, 11]) {
      expect(await probed({ v8, lanes: never })).toMatchObject({ relaxed: false, dot: "none", madd: "none", features: new Set() });
    }
    expect((await probed({ v8: 12 })).features).toEqual(new Set(["relaxed-madd", "relaxed-dot"]));
    expect((await probed({ v8: undefined })).features).toEqual(new Set(["relaxed-madd", "relaxed-dot"]));
  });

  it("are none without relaxed SIMD or without SIMD", async () => {
    const none = { relaxed: false, dot: "none", madd: "none", features: new Set() };
    expect(await probed({ lanes: () => Promise.resolve(undefined) })).toMatchObject(none);
    expect(await probed({ simd: false })).toMatchObject({ ...none, simd: false });
  });
});

describe("this host", () => {
  const v8 = Number.parseInt(process.versions.v8, 10);
  const hasRelaxed = webAssembly?.validate(RELAXED_MODULE) === true;

  it("has the features of its version", async () => {
    const found = await hostFeatures();
    expect(found.simd).toBe(true);
    expect(found.sharedMemory).toBe(true);
    expect(found.x86).toBe(process.arch === "x64");
    expect(found.relaxed).toBe(v8 >= 12 && hasRelaxed);
    expect(found.features.has("relaxed-madd")).toBe(found.relaxed);
    expect(found.features.has("wide-tiles")).toBe(found.relaxed && v8 >= 13);
    if (found.relaxed) expect(found.dot).not.toBe("none");
  });

  it("knows SIMD by a module that only validates with it", () => {
    expect(webAssembly?.validate(SIMD_MODULE)).toBe(true);
    // An opcode that does not exist.
    expect(webAssembly?.validate(SIMD_MODULE.with(SIMD_MODULE.indexOf(253) + 1, 255))).toBe(false);
  });

  it.skipIf(!hasRelaxed)("is not taken in by another instruction", async () => {
    const at = RELAXED_MODULE.findIndex((byte, i) => byte === 133 && RELAXED_MODULE[i - 1] === 253);
    // f32x4.relaxed_nmadd in place of madd.
    const bytes = RELAXED_MODULE.with(at, 134);
    const memory = new webAssembly!.Memory({ initial: 1 });
    const { exports } = new webAssembly!.Instance(await webAssembly!.compile(bytes), { env: { memory } });
    const { dot, madd } = exports as { dot: LaneFunction; madd: LaneFunction };
    expect(await probed({ lanes: () => Promise.resolve({ buffer: memory.buffer, dot, madd }) })).toMatchObject({ madd: "none" });
  });

  it("tells them in the engine's facts", async () => {
    const { simd, relaxed, dot, madd, sharedMemory, x86 } = await hostFeatures();
    const facts = { simd, relaxed, dot, madd, sharedMemory, x86 };
    expect(await wasmEngine.probe(context, {})).toMatchObject({ available: true, facts });
    expect(await wasmEngine.probe(context, { simd: "off" })).toMatchObject({ available: true, facts });
  });

  it("refuses relaxed=on where there is none", async () => {
    const { features } = await hostFeatures();
    const result = await wasmEngine.probe(context, { relaxed: "on" });
    expect(result.available).toBe(features.size > 0);
    if (features.size === 0) expect(result.reason?.code).toBe("no-wasm-relaxed");
  });
});
