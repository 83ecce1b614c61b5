/** Child of the GPU host test: opens the GPU, adds two numbers on it, prints the adapter and the sum, and leaves. */
import { writeSync } from "node:fs";
import { openNodeGpu } from "../../../src/hosts/gpu.ts";

const gpu = await openNodeGpu();
const adapter = await gpu.requestAdapter();
if (adapter === null) throw new Error("no adapter");
const device = await adapter.requestDevice();
const code = "@group(0) @binding(0) var<storage, read_write> x: array<u32>; @compute @workgroup_size(1) fn main() { x[0] = x[1] + x[2]; }";
const compute = { module: device.createShaderModule({ code }) };
const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute });
const buffer = device.createBuffer({ size: 12, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC });
const read = device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
device.queue.writeBuffer(buffer, 0, Uint32Array.of(0, 40, 2));
const encoder = device.createCommandEncoder();
const pass = encoder.beginComputePass();
pass.setPipeline(pipeline);
pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] }));
pass.dispatchWorkgroups(1);
pass.end();
encoder.copyBufferToBuffer(buffer, 0, read, 0, 4);
device.queue.submit([encoder.finish()]);
await read.mapAsync(GPUMapMode.READ);
const sum = new Uint32Array(read.getMappedRange())[0];
writeSync(1, `${JSON.stringify({ architecture: adapter.info.architecture, sum })}\n`);
// The GPU object must outlive its callbacks.
globalThis.setTimeout(() => process.exit(gpu.wgslLanguageFeatures.size > 0 ? 0 : 3), 0);
