/** What records say of layers with a compact code: on every engine, for every code, that it runs from the code, or why not. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cpuEngine } from "../../src/engines/cpu/index.ts";
import type { Engine, EngineContext } from "../../src/engines/engine.ts";
import { wasmEngine } from "../../src/engines/wasm/index.ts";
import type { SharedDevice } from "../../src/engines/webgpu/device.ts";
import { webgpuEngine } from "../../src/engines/webgpu/index.ts";
import { decode, withoutCode } from "../../src/graph/code.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { codedConv, codedDense, randomCode } from "./coded.ts";
import type { CodeSpec } from "./coded.ts";
import { codebookConv, codebookDense } from "./int8-codebook.ts";
import { keepDevice, testContext } from "./webgpu/context.ts";

let shared: SharedDevice;
let context: EngineContext;
beforeAll(async () => {
  shared = await keepDevice();
  context = await testContext();
});
afterAll(() => {
  shared.release();
});

async function place(engine: Engine, graph: Graph): Promise<{ readonly kernel: string; readonly why: string; readonly weights: number }> {
  const session = await engine.compile(graph, context, {});
  const { weights } = session.memory();
  const { kernel, why = "" } = session.placement().at(-1)!;
  session.dispose();
  return { kernel, why, weights };
}

const ENGINES: readonly (readonly [string, Engine])[] = [
  ["cpu", cpuEngine],
  ["wasm", wasmEngine],
  ["webgpu", webgpuEngine],
];

interface Code {
  readonly name: string;
  /** In names of kernels. */
  readonly kind: RegExp;
  readonly what: string;
  readonly dense: (m: number) => Graph;
  readonly conv: () => Graph;
}

function floatCode(name: string, spec: CodeSpec, what: string, kind = new RegExp(`_${name}_`)): Code {
  const layer = { spec, seed: 1 };
  return {
    name,
    kind,
    what,
    dense: (m) => codedDense(layer, m, 32, 64),
    conv: () => codedConv(layer, [1, 9, 9, 8], 16, [3, 3], { pads: [1, 1, 1, 1] }),
  };
}

const CODES: readonly Code[] = [
  floatCode("float16", { kind: "float16" }, "float16 weights"),
  floatCode("int4", { kind: "int4", block: 32 }, "int4 weights in blocks of 32"),
  floatCode("int8", { kind: "int8" }, "int8 weights with a scale per output"),
  floatCode("codebook4", { kind: "codebook", values: 16 }, "16 shared values, 4-bit indices"),
  floatCode("codebook8", { kind: "codebook", values: 100 }, "100 shared values, 8-bit indices"),
  {
    name: "int8Codebook",
    kind: /^[iu]8_\w+_codebook4_/,
    what: "16 shared values an output, 4-bit indices",
    dense: (m) => codebookDense({ values: 16, seed: 1 }, m, 32, 64),
    conv: () => codebookConv({ values: 16, seed: 1 }, [1, 9, 9, 8], 16, [3, 3], { pads: [1, 1, 1, 1] }),
  },
];

const TABLE = ENGINES.flatMap(([engineName, engine]) => CODES.map((code) => ({ engineName, engine, code, codeName: code.name })));

/** @returns whether it ran from the code */
function checkWhy({ kind, what }: Code, { kernel, why }: { readonly kernel: string; readonly why: string }): boolean {
  const text = what.replace(/[()]/g, "\\$&");
  if (kind.test(kernel)) {
    expect(why).toMatch(new RegExp(`^${text}(; expanded they would run [12]\\.\\d times as fast)?(; shared by \\d+ threads)?$`));
    return true;
  }
  expect(kernel).not.toMatch(/codebook|int4|_int8_|float16/);
  expect(why).toMatch(new RegExp(`; its code \\(${text}\\) would take [3-9]\\.\\d times as long$`));
  return false;
}

describe.each(TABLE)("$codeName on $engineName", ({ engine, code }) => {
  it("many rows and windows run from it, and take less memory", async () => {
    for (const graph of [code.dense(64), code.conv()]) {
      const coded = await place(engine, graph);
      expect(checkWhy(code, coded)).toBe(true);
      const plain = { ...graph, tensors: new Map(graph.tensors).set("w", withoutCode(graph.tensors.get("w")!)) };
      const expanded = await place(engine, plain);
      expect(expanded.kernel).not.toMatch(code.kind);
      expect(expanded.why).not.toContain("code");
      expect(coded.weights).toBeLessThan(expanded.weights);
    }
  });

  it("one row runs from it, or the record says what that would cost", async () => {
    checkWhy(code, await place(engine, code.dense(1)));
  });
});

describe("layers that no kernel runs from their code", () => {
  const code = randomCode({ kind: "codebook", values: 16 }, [1, 3, 3, 4], 1);
  const says = /no kernel of this layer runs from its code \(16 shared values, 4-bit indices\)$/;

  /** One layer on an image of 5 × 6 × 4, or its four columns. */
  function layer(op: "DepthwiseConv2D" | "MatMul" | "ConvTranspose2D"): Graph {
    const b = new GraphBuilder("coded");
    const shape = { DepthwiseConv2D: [1, 3, 3, 4], ConvTranspose2D: [1, 3, 3, 4], MatMul: [4, 9] }[op];
    const x = b.input("x", "float32", op === "MatMul" ? [30, 4] : [1, 5, 6, 4]);
    const w = b.constant("w", "float32", shape, decode(code, shape), { code });
    const attrs = { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1] } as const;
    if (op === "MatMul") return b.finish([b.add(op, "layer", [x, w], { transposeA: false, transposeB: false })]);
    if (op === "DepthwiseConv2D") return b.finish([b.add(op, "layer", [x, w], { ...attrs, groups: 4 })]);
    return b.finish([b.add(op, "layer", [x, w], { ...attrs, groups: 1, outputPadding: [0, 0] })]);
  }

  it.each(["DepthwiseConv2D", "MatMul", "ConvTranspose2D"] as const)("say so on the CPU: %s", async (op) => {
    const { kernel, why } = await place(cpuEngine, layer(op));
    expect(kernel).not.toContain("codebook");
    expect(why).toMatch(says);
  });

  it("say so on WebGPU", async () => {
    const { kernel, why } = await place(webgpuEngine, layer("DepthwiseConv2D"));
    expect(kernel).toContain("depthwise");
    expect(why).toMatch(says);
    const odd = codedConv({ spec: { kind: "int4", block: 16 }, seed: 5 }, [1, 6, 7, 5], 11, [3, 3], { pads: [1, 1, 1, 1] });
    expect((await place(webgpuEngine, odd)).why).toMatch(/; no kernel of this layer runs from its code \(int4 weights in blocks of 16\)$/);
  });

  it("say nothing of it where the target says that codes be expanded", async () => {
    const session = await webgpuEngine.compile(codedDense({ spec: { kind: "int8" }, seed: 1 }, 16, 8, 32), context, { coded: "off" });
    expect(session.placement()[0]!.why).toBe("dense weights");
    session.dispose();
  });
});

describe("two of every four weights", () => {
  const graph = (): Graph => {
    const plain = codedDense({ spec: { kind: "float16" }, seed: 1 }, 64, 32, 64);
    const w = withoutCode(plain.tensors.get("w")!);
    const data = Float32Array.from(w.data!, (_, i) => ((i + Math.floor(i / 64)) % 4 < 2 ? 0 : 1 + (i % 7)));
    return { ...plain, tensors: new Map(plain.tensors).set("w", { ...w, data }) };
  };

  it("are stored as such on WebGPU, and lists of the others are weighed on WASM", async () => {
    const [gpu, wasm] = [await place(webgpuEngine, graph()), await place(wasmEngine, graph())];
    expect(gpu.kernel).toMatch(/_nm24_/);
    expect(gpu.why).toMatch(/^2:4 storage, two of four weights(; expanded they would run [12]\.\d times as fast)?$/);
    expect(wasm.why).toMatch(/^50 % of its .* are zero; .*(pays from \d+ %|does not pay at this size)/);
  });
});
