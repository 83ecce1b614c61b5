/** Arrays that a caller gives for outputs, on every engine: the same results in them, errors for others, fresh ones without. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cpuEngine } from "../../src/engines/cpu/index.ts";
import type { Engine, EngineContext } from "../../src/engines/engine.ts";
import { gpuJsCpuEngine } from "../../src/engines/gpujs/index.ts";
import { checkOutputs, createOutputs, deliver } from "../../src/engines/outputs.ts";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import type { SharedDevice } from "../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../src/engines/webgpu/index.ts";
import { ShapeError } from "../../src/errors.ts";
import type { TypedArray } from "../../src/graph/dtype.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph, Quantization } from "../../src/graph/ir.ts";
import { random } from "./generated.ts";
import { context as plainContext } from "./wasm/context.ts";
import { keepDevice, testContext } from "./webgpu/context.ts";

const GRID: Quantization = { scales: Float32Array.of(0.05), zeroPoints: Int32Array.of(3) };

/** A float output that is computed, one that is a constant; with `integers` also rows of 5 bytes of both kinds. */
function graphOf(integers: boolean): Graph {
  const b = new GraphBuilder("given");
  const x = b.input("x", "float32", [3, 5]);
  const w = b.constant("w", "float32", [7, 5], noise(35, 1));
  const c = b.constant("c", "float32", [2], Float32Array.of(5, -6));
  const y = b.add("Dense", "fc", [x, w], {});
  if (!integers) return b.finish([y, c]);
  const signed = b.add("Quantize", "signed", [x], {}, { dtype: "int8", quant: GRID });
  const unsigned = b.add("Quantize", "unsigned", [x], {}, { dtype: "uint8", quant: GRID });
  return b.finish([y, c, signed, unsigned]);
}

function noise(length: number, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length }, () => next() * 2 - 1);
}

let device: SharedDevice;
let gpuContext: EngineContext;
beforeAll(async () => {
  device = await keepDevice();
  gpuContext = await testContext();
});
afterAll(() => {
  device.release();
});

interface Case {
  readonly name: string;
  readonly engine: Engine;
  readonly options?: Readonly<Record<string, string>>;
  readonly onGpu?: boolean;
  readonly floatsOnly?: boolean;
}

const CASES: readonly Case[] = [
  { name: "cpu", engine: cpuEngine },
  { name: "wasm", engine: wasmEngine },
  { name: "wasm:simd=off", engine: wasmEngine, options: { simd: "off" } },
  { name: "wasm:threads=2", engine: wasmEngine, options: { threads: "2" } },
  { name: "webgpu", engine: webgpuEngine, onGpu: true },
  { name: "gpujs-cpu", engine: gpuJsCpuEngine, floatsOnly: true },
];

describe.each(CASES)("$name", ({ engine, options = {}, onGpu = false, floatsOnly = false }) => {
  const graph = graphOf(!floatsOnly);
  const compile = async (): ReturnType<Engine["compile"]> => engine.compile(graph, onGpu ? gpuContext : plainContext, options);

  it("writes into the caller's arrays, run after run, and returns them", async () => {
    const session = await compile();
    const outputs = createOutputs(graph);
    for (const seed of [2, 3]) {
      const fresh = await session.run([noise(15, seed)]);
      outputs.forEach((array) => array.fill(99));
      const returned = await session.run([noise(15, seed)], outputs);
      expect(returned).toEqual(fresh);
      returned.forEach((array, i) => expect(array).toBe(outputs[i]));
      fresh.forEach((array) => expect(outputs).not.toContain(array));
    }
    session.dispose();
  });

  it("leaves them alone in a run without them", async () => {
    const session = await compile();
    const outputs = createOutputs(graph);
    await session.run([noise(15, 4)], outputs);
    const before = outputs.map((array) => array.slice());
    await session.run([noise(15, 5)]);
    expect(outputs).toEqual(before);
    session.dispose();
  });

  it("refuses arrays of another number, type or length", async () => {
    const session = await compile();
    const others: readonly (readonly TypedArray[])[] = [
      [],
      createOutputs(graph).slice(1),
      createOutputs(graph).with(0, new Float64Array(21)),
      createOutputs(graph).with(0, new Float32Array(20)),
      createOutputs(graph).with(1, new Float32Array(3)),
    ];
    for (const outputs of others) await expect(session.run([noise(15, 6)], outputs)).rejects.toThrow(ShapeError);
    // It is none the worse for it.
    expect((await session.run([noise(15, 6)])).length).toBe(graph.outputs.length);
    session.dispose();
  });
});

describe("checks", () => {
  const graph = graphOf(true);

  it("name what is wrong and what was expected", () => {
    expect(() => checkOutputs(graph, undefined)).not.toThrow();
    expect(() => checkOutputs(graph, createOutputs(graph))).not.toThrow();
    expect(() => checkOutputs(graph, [])).toThrow(/wrong number of arrays for outputs, got 0, expected 4 \(/);
    expect(() => checkOutputs(graph, createOutputs(graph).with(2, new Uint8Array(15)))).toThrow(
      /array for output ".*" of graph "given": got Uint8Array of 15, expected Int8Array \(int8\) of 15 for \[3, ?5\]/,
    );
  });

  it("deliver copies, in both cases", () => {
    const data = Float32Array.of(1, 2);
    const to = new Float32Array(2);
    expect(deliver(data, to)).toBe(to);
    expect(deliver(data, undefined)).not.toBe(data);
    data.fill(0);
    expect([...to]).toEqual([1, 2]);
  });
});
