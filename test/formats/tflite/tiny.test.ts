/** Real MLPerf Tiny models against outputs recorded from TensorFlow Lite (WASM build with XNNPACK). */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cpuEngine } from "../../../src/engines/cpu/index.ts";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import { importModel } from "../../../src/formats/detect.ts";
import type { Session } from "../../../src/engines/engine.ts";
import type { Graph } from "../../../src/graph/ir.ts";

const TINY = new URL("../../../../shared/tiny/", import.meta.url);
const present = existsSync(new URL("kws_ref_model.tflite", TINY));

function open(file: string): Graph {
  return importModel(new Uint8Array(readFileSync(new URL(file, TINY))), { name: file, evaluate: evaluateNode });
}

function compile(graph: Graph): Promise<Session> {
  return cpuEngine.compile(graph, { readAsset: () => Promise.resolve(new Uint8Array(0)), now: () => 0 }, {});
}

describe.skipIf(!present)("MLPerf Tiny models (skipped where ../shared/tiny is absent)", () => {
  it("keyword spotting, int8: within 1 LSB of TensorFlow Lite on 200 samples, 183 labels right", async () => {
    const meta = JSON.parse(readFileSync(new URL("kws01_first200.json", TINY), "utf8")) as { labels: number[]; tfliteOutputs: number[][] };
    const samples = new Int8Array(new Uint8Array(readFileSync(new URL("kws01_first200.int8.bin", TINY))).buffer);
    const graph = open("kws_ref_model.tflite");
    expect(graph.nodes.map((node) => node.op)).not.toContain("Dequantize");
    const session = await compile(graph);
    let [worst, right] = [0, 0];
    for (let i = 0; i < 200; i++) {
      const output = [...(await session.run([samples.slice(i * 490, (i + 1) * 490)]))[0]!];
      output.forEach((q, k) => (worst = Math.max(worst, Math.abs(q - meta.tfliteOutputs[i]![k]!))));
      if (output.indexOf(Math.max(...output)) === meta.labels[i]) right++;
    }
    expect(worst).toBeLessThanOrEqual(1);
    expect(right).toBe(183);
  });

  it("ResNet-8, float32: within 1e-4 of TensorFlow Lite on seeded inputs", async () => {
    const goldens = JSON.parse(readFileSync(new URL("pretrainedResnet.goldens.json", TINY), "utf8")) as {
      seeds: number[];
      outputs: number[][];
    };
    const session = await compile(open("pretrainedResnet.tflite"));
    for (const [k, seed] of goldens.seeds.entries()) {
      let x = seed;
      const input = Float32Array.from({ length: 32 * 32 * 3 }, () => (x = (Math.imul(x, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5);
      const output = (await session.run([input]))[0]!;
      output.forEach((v, i) => expect(Math.abs(v - goldens.outputs[k]![i]!)).toBeLessThan(1e-4));
    }
  });
});
