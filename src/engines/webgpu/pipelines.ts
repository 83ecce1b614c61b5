/** Compute pipelines by explicit key (kernel and override constants), compiled asynchronously and at once, shared by the sessions of a device. */
import { wgslKernel } from "../../kernels/wgsl.ts";
import type { SharedDevice } from "./device.ts";
import { loadShader } from "./shaders.ts";
import type { ShaderReader } from "./shaders.ts";

/** Everything that distinguishes two pipelines. */
export function pipelineKey(kernel: string, constants: Readonly<Record<string, number>>): string {
  const parts = Object.keys(constants)
    .sort()
    .map((name) => `${name}=${constants[name]!}`);
  return [kernel, ...parts].join(" ");
}

async function compile(
  device: GPUDevice,
  name: string,
  constants: Readonly<Record<string, number>>,
  read: ShaderReader,
): Promise<GPUComputePipeline> {
  const kernel = wgslKernel(name);
  if (kernel.file === undefined) throw new Error(`internal: kernel ${name} dispatches nothing`);
  const code = await loadShader(kernel.file, kernel.params, read);
  const module = device.createShaderModule({ label: name, code });
  try {
    return await device.createComputePipelineAsync({
      label: name,
      layout: "auto",
      compute: { module, entryPoint: "main", constants: { ...constants } },
    });
  } catch (error) {
    const info = await module.getCompilationInfo();
    const messages = info.messages.map((m) => `${m.lineNum}:${m.linePos} ${m.message}`).join("; ");
    throw new Error(`internal: kernel ${name} does not compile: ${messages === "" ? String(error) : messages}`, { cause: error });
  }
}

/** The pipeline of a kernel, from the device's cache or started now. */
export function requestPipeline(
  shared: SharedDevice,
  name: string,
  constants: Readonly<Record<string, number>>,
  read: ShaderReader,
): Promise<GPUComputePipeline> {
  const key = pipelineKey(name, constants);
  let pipeline = shared.pipelines.get(key);
  if (pipeline === undefined) {
    pipeline = compile(shared.device, name, constants, read);
    shared.pipelines.set(key, pipeline);
    pipeline.catch(() => shared.pipelines.delete(key));
  }
  return pipeline;
}
