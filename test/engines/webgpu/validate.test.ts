/**
 * Every kernel with every value of what is decided when a pipeline is made, through Dawn's validation without a driver: its null device has
 * all features, those that no GPU here offers too.
 */
import { readFile } from "node:fs/promises";
import { create, globals } from "webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadShader } from "../../../src/engines/webgpu/shaders.ts";
import type { ShaderReader } from "../../../src/engines/webgpu/shaders.ts";
import { WGSL_KERNELS } from "../../../src/kernels/wgsl.ts";
import type { WgslKernel } from "../../../src/kernels/wgsl.ts";

const SHADERS = new URL("../../../shaders/", import.meta.url);
const readShader: ShaderReader = (path) => readFile(new URL(path, SHADERS), "utf8");
const FEATURES = ["shader-f16", "subgroups"] as const;

/** Held: Dawn crashes when it is collected while it works. */
let gpu: GPU;
let device: GPUDevice;
beforeAll(async () => {
  Object.assign(globalThis, globals);
  gpu = create(["backend=null"]);
  const adapter = await gpu.requestAdapter();
  device = await adapter!.requestDevice({ requiredFeatures: [...FEATURES] });
});
afterAll(() => {
  device.destroy();
});

const OVERRIDE = /^override ([A-Z_]+): (bool|u32)/gm;
/** Kinds of common/activation.wgsl. */
const ACTIVATIONS = [0, 1, 2, 3];

function valuesOf(name: string, type: string): readonly number[] {
  if (type === "bool") return [0, 1];
  return name === "ACTIVATION" ? ACTIVATIONS : [4, 64];
}

/** All combinations of what the source declares. */
function variantsOf(code: string): readonly Readonly<Record<string, number>>[] {
  let variants: readonly Readonly<Record<string, number>>[] = [{}];
  for (const [, name, type] of code.matchAll(OVERRIDE))
    variants = variants.flatMap((variant) => valuesOf(name!, type!).map((value) => ({ ...variant, [name!]: value })));
  return variants;
}

async function validate(kernel: WgslKernel, read: ShaderReader): Promise<number> {
  const code = await loadShader(kernel.file!, kernel.params, read);
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ label: kernel.name, code });
  const variants = variantsOf(code);
  for (const constants of variants) device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main", constants } });
  const error = await device.popErrorScope();
  expect(error?.message, kernel.name).toBeUndefined();
  return variants.length;
}

describe("every kernel is valid WGSL", () => {
  const dispatched = WGSL_KERNELS.filter(({ file }) => file !== undefined);

  it.each([...new Set(dispatched.map(({ file }) => file!))])("%s", async (file) => {
    const kernels = dispatched.filter((kernel) => kernel.file === file);
    let variants = 0;
    for (const kernel of kernels) variants += await validate(kernel, readShader);
    expect(variants).toBeGreaterThanOrEqual(kernels.length);
  });

  it("knows what varies: activations, residuals and whole tiles of the dense kernels", async () => {
    const kernel = dispatched.find(({ name }) => name === "f32_gemm_tiled_32x32__wgsl")!;
    expect(variantsOf(await loadShader(kernel.file!, kernel.params, readShader))).toHaveLength(ACTIVATIONS.length * 2 * 2 * 2);
  });

  it("includes those that need half precision", () => {
    expect(dispatched.filter(({ requires }) => requires.includes("shader-f16")).length).toBeGreaterThan(5);
  });

  it("notices what is not valid", async () => {
    const kernel = dispatched.find(({ name }) => name === "f32_gemm_float16_4x4__wgsl_f16")!;
    const broken: ShaderReader = async (path) => (await readShader(path)).replace("enable f16;", "");
    await expect(validate(kernel, broken)).rejects.toThrow(/f16/);
  });
});
