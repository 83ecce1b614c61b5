/** The shader loader, and every kernel of the catalogue through Dawn's compiler. */
import { readFile, readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SharedDevice } from "../../../src/engines/webgpu/device.ts";
import { pipelineKey, requestPipeline } from "../../../src/engines/webgpu/pipelines.ts";
import { loadShader } from "../../../src/engines/webgpu/shaders.ts";
import type { ShaderReader } from "../../../src/engines/webgpu/shaders.ts";
import { isKernelName } from "../../../src/kernels/names.ts";
import { WGSL_KERNELS, wgslKernel } from "../../../src/kernels/wgsl.ts";
import { keepDevice } from "./context.ts";

const SHADERS = new URL("../../../shaders/", import.meta.url);
const readShader: ShaderReader = (path) => readFile(new URL(path, SHADERS), "utf8");

function filesOf(files: Readonly<Record<string, string>>): ShaderReader {
  return (path) => {
    const text = files[path];
    return text === undefined ? Promise.reject(new Error(`no file ${path}`)) : Promise.resolve(text);
  };
}

describe("loadShader", () => {
  it("substitutes declared parameters, in includes and their paths too, and inlines each include once", async () => {
    const read = filesOf({
      "k.wgsl": "// #param FN = sum | max\n// #include part/{{FN}}.wgsl\n// #include twice.wgsl\nlet a = {{FN}};",
      "part/max.wgsl": "// #include twice.wgsl\nlet b = {{FN}};",
      "twice.wgsl": "let t = 1;",
    });
    const code = await loadShader("k.wgsl", { FN: "max" }, read);
    expect(code.split("\n").slice(1)).toEqual(["let t = 1;", "let b = max;", "let a = max;"]);
  });

  it("repeats blocks, also within each other, and counts from zero", async () => {
    const text = "// #param ROWS = 1 | 2\n  // #repeat R {{ROWS}}\n  a{{R}}\n  // #repeat C 2\n  b{{R}}{{C}}\n  // #end\n  // #end\nend";
    const lines = async (rows: string): Promise<readonly string[]> =>
      (await loadShader("k.wgsl", { ROWS: rows }, filesOf({ "k.wgsl": text }))).split("\n").map((line) => line.trim());
    expect((await lines("2")).slice(1)).toEqual(["a0", "b00", "b01", "a1", "b10", "b11", "end"]);
    expect((await lines("1")).slice(1)).toEqual(["a0", "b00", "b01", "end"]);
  });

  it.each([
    ["a value that is not listed", "// #param FN = sum | max", { FN: "min" }, /parameter FN is "min", expected one of sum, max/],
    ["a declared parameter without a value", "// #param FN = sum", {}, /parameter FN has no value/],
    ["a value for an undeclared parameter", "fn main() {}", { FN: "sum" }, /parameter FN is given but not declared/],
    ["an undeclared substitution", "let a = {{FN}};", {}, /\{\{FN\}\} is used but not declared/],
    ["a malformed parameter line", "// #param fn", {}, /is not "\/\/ #param/],
    ["a malformed include line", "// #include a b", {}, /is not "\/\/ #include/],
    ["a malformed repeat line", "  // #repeat R\n  // #end", {}, /is not "\/\/ #repeat R 4"/],
    ["a block without an end", "  // #repeat R 2\nlet a = 1;", {}, /"\/\/ #repeat R 2" without "\/\/ #end"/],
    ["an end without a block", "  // #end", {}, /is not "\/\/ #end", or nothing is open/],
    ["a counter outside its block", "// #repeat R 2\n// #end\n{{R}}", {}, /\{\{R\}\} is used but not declared/],
  ])("refuses %s", async (_, text, values, message) => {
    await expect(loadShader("k.wgsl", values, filesOf({ "k.wgsl": text }))).rejects.toThrow(message);
  });
});

describe("WGSL catalogue", () => {
  it("has well-formed, unique names", () => {
    const names = WGSL_KERNELS.map((kernel) => kernel.name);
    expect(names.filter((name) => !isKernelName(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  it("uses every kernel file, and only files that exist", async () => {
    const present = (await readdir(SHADERS)).filter((name) => name.endsWith(".wgsl")).sort();
    const used = [...new Set(WGSL_KERNELS.flatMap((kernel) => (kernel.file === undefined ? [] : [kernel.file])))].sort();
    expect(used).toEqual(present);
  });

  it("refuses an unknown name", () => {
    expect(() => wgslKernel("f32_nothing__wgsl")).toThrow(/no kernel "f32_nothing__wgsl"/);
  });
});

describe("pipelineKey", () => {
  it("tells constants apart, whatever their order", () => {
    expect(pipelineKey("k", { B: 2, A: 1 })).toBe(pipelineKey("k", { A: 1, B: 2 }));
    expect(pipelineKey("k", { A: 1 })).not.toBe(pipelineKey("k", { A: 2 }));
  });
});

const COMPILE_ALL_MS = 900_000;

describe("every kernel compiles", () => {
  const dispatched = WGSL_KERNELS.filter((kernel) => kernel.file !== undefined);
  const pending = new Map<string, Promise<GPUComputePipeline>>();
  let shared: SharedDevice;
  const available = (feature: string): boolean =>
    feature === "packed_4x8_integer_dot_product" ? shared.facts.dot4 : shared.device.features.has(feature);
  beforeAll(async () => {
    shared = await keepDevice();
    // All at once: the driver compiles on every core.
    for (const { name, requires } of dispatched) {
      if (!requires.every((feature) => available(feature))) continue;
      const pipeline = requestPipeline(shared, name, {}, readShader);
      pipeline.catch(() => undefined);
      pending.set(name, pipeline);
    }
  });
  afterAll(() => {
    shared.release();
  });

  it("starts all that this device can have", () => {
    expect(pending.size).toBe(dispatched.filter(({ requires }) => requires.every((feature) => available(feature))).length);
    expect(pending.size).toBeGreaterThan(50);
  });

  // Whoever is asked first waits for most of the others: minutes on a software GPU whose cores are busy.
  it.each(dispatched.map((kernel) => kernel.name))(
    "%s",
    async (name) => {
      const pipeline = await pending.get(name);
      if (pipeline !== undefined) expect(pipeline.label).toBe(name);
    },
    COMPILE_ALL_MS,
  );

  it("reports a kernel that does not compile by name and message", async () => {
    const broken: ShaderReader = async (path) => (await readShader(path)).replace("fn main", "fn main_without_end(");
    await expect(requestPipeline(shared, "i8_unary_table__wgsl", { WG: 17 }, broken)).rejects.toThrow(
      /kernel i8_unary_table__wgsl does not compile: \d+:\d+/,
    );
    // The failed shader module is itself a validation error outside any scope; it must not haunt later sessions.
    await shared.device.queue.onSubmittedWorkDone();
    shared.uncaptured = undefined;
  });
});
