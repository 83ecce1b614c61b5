/**
 * A compiled graph on the GPU. Everything is made ahead: pipelines, weights, parameters, bind groups, pooled activations. A run writes the
 * inputs, submits one command buffer (all dispatches in one pass, outputs copied to one staging buffer) and maps that buffer once.
 */
import { DeviceFailure, UsageError, invariant } from "../../errors.ts";
import { elementCount } from "../../graph/dtype.ts";
import type { TypedArray } from "../../graph/dtype.ts";
import { tensorOf } from "../../graph/access.ts";
import type { Graph, Tensor } from "../../graph/ir.ts";
import type { GpuTime, NodeProfile, Placement, Session, SessionMemory } from "../engine.ts";
import { checkOutputs, deliver } from "../outputs.ts";
import type { SharedDevice } from "./device.ts";
import { encodeStep } from "./encode.ts";
import type { ReadyStep } from "./encode.ts";
import { GpuLedger, alignBytes } from "./ledger.ts";
import type { Lowered } from "./lower/context.ts";
import { requestPipeline } from "./pipelines.ts";
import { planPool } from "./pool.ts";
import type { ShaderReader } from "./shaders.ts";
import { RESIDUAL_BINDING } from "./step.ts";
import type { Operand } from "./step.ts";
import { fromStored, storedWords, toStored } from "./storage.ts";
import { StepTimer } from "./timing.ts";

/** An output's bytes in the staging buffer; absent buffer: a constant, known without the GPU. */
interface OutputSlot {
  readonly tensor: Tensor;
  readonly source: GPUBuffer | undefined;
  readonly offset: number;
  readonly bytes: number;
}

export class WebGpuSession implements Session {
  private readonly graph: Graph;
  private readonly shared: SharedDevice;
  private readonly ledger: GpuLedger;
  private readonly lowered: Lowered;
  private readonly now: () => number;
  private steps: readonly ReadyStep[] = [];
  private timer: StepTimer | undefined;
  private inputs: readonly GPUBuffer[] = [];
  private outputs: readonly OutputSlot[] = [];
  private staging: GPUBuffer | undefined;
  private weightBytes = 0;
  private activationBytes = 0;
  private disposed = false;

  private constructor(graph: Graph, shared: SharedDevice, lowered: Lowered, now: () => number) {
    this.graph = graph;
    this.shared = shared;
    this.lowered = lowered;
    this.now = now;
    this.ledger = new GpuLedger(shared.device);
  }

  /** Takes over one lease of `shared`, also when it fails. */
  static async create(graph: Graph, shared: SharedDevice, lowered: Lowered, read: ShaderReader, now: () => number): Promise<WebGpuSession> {
    const session = new WebGpuSession(graph, shared, lowered, now);
    const { device } = shared;
    device.pushErrorScope("out-of-memory");
    device.pushErrorScope("validation");
    let failure: Error | undefined;
    try {
      await session.build(read);
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    const [validation, memory] = await Promise.all([device.popErrorScope(), device.popErrorScope()]);
    if (memory !== null) {
      failure = new DeviceFailure(
        "out-of-memory",
        `webgpu: the device has no memory for model "${graph.name}", got ${session.ledger.peakBytes} bytes of buffers`,
        "use a smaller model or batch, or another target",
      );
    } else if (validation !== null) {
      failure ??= new Error(`internal: webgpu validation: ${validation.message}`);
    }
    if (failure === undefined) return session;
    session.dispose();
    throw shared.lost ?? failure;
  }

  private async build(read: ShaderReader): Promise<void> {
    const { graph, lowered, shared, ledger } = this;
    const { device } = shared;
    // All at once: each runs on a thread of the driver.
    const pending = lowered.steps.map((step) => requestPipeline(shared, step.kernel, step.constants, read));
    const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const constants = lowered.constants.map(({ label, data }) => {
      const buffer = ledger.create(label, data.byteLength, storage);
      if (data.byteLength > 0) device.queue.writeBuffer(buffer, 0, data.buffer, data.byteOffset, data.byteLength);
      return buffer;
    });
    this.weightBytes = ledger.liveBytes;
    const alignment = device.limits.minUniformBufferOffsetAlignment;
    const paramOffsets: number[] = [];
    let paramBytes = 0;
    for (const step of lowered.steps) {
      paramOffsets.push(paramBytes);
      paramBytes += alignBytes(step.params.byteLength, alignment);
    }
    const paramBuffer = ledger.create("parameters", paramBytes, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const paramWords = new Uint32Array(paramBytes / 4);
    lowered.steps.forEach((step, i) => paramWords.set(step.params, paramOffsets[i]! / 4));
    device.queue.writeBuffer(paramBuffer, 0, paramWords);

    const plan = planPool(lowered, graph.inputs, graph.outputs);
    const beforePool = ledger.liveBytes;
    const pool = plan.bufferBytes.map((bytes, i) => ledger.create(`activations ${i}`, bytes, storage | GPUBufferUsage.COPY_SRC));
    this.activationBytes = ledger.liveBytes - beforePool;
    const bufferOf = (name: string): GPUBuffer => {
      const index = plan.bufferOf.get(name);
      invariant(index !== undefined, `no buffer for tensor "${name}"`);
      return pool[index]!;
    };
    this.inputs = graph.inputs.map(bufferOf);
    this.planOutputs((root) => (plan.bufferOf.has(root) ? bufferOf(root) : undefined));

    const pipelines = await Promise.all(pending);
    const bound = (input: Operand): GPUBufferBinding =>
      input.kind === "constant" ? { buffer: constants[input.id]! } : { buffer: bufferOf(input.name), size: lowered.bytes.get(input.name)! };
    this.steps = lowered.steps.map((step, i): ReadyStep => {
      const pipeline = pipelines[i]!;
      const output = bufferOf(step.output);
      const buffers: readonly GPUBufferBinding[] = [
        { buffer: paramBuffer, offset: paramOffsets[i]!, size: alignBytes(step.params.byteLength, 16) },
        { buffer: output, size: lowered.bytes.get(step.output)! },
        ...step.inputs.map(bound),
      ];
      const entries = buffers.map((resource, binding) => ({ binding, resource }));
      if (step.residual !== undefined) entries.push({ binding: RESIDUAL_BINDING, resource: bound(step.residual) });
      return { step, pipeline, bindGroup: device.createBindGroup({ label: step.node, layout: pipeline.getBindGroupLayout(0), entries }) };
    });
    this.timer = new StepTimer(shared, ledger, this.steps, read, this.now);
  }

  private planOutputs(bufferOf: (root: string) => GPUBuffer | undefined): void {
    let offset = 0;
    this.outputs = this.graph.outputs.map((name): OutputSlot => {
      const tensor = tensorOf(this.graph, name);
      const source = tensor.data === undefined ? bufferOf(this.lowered.aliases.get(name) ?? name) : undefined;
      const bytes = storedWords(tensor) * 4;
      const slot: OutputSlot = { tensor, source, offset, bytes };
      if (source !== undefined) offset += bytes;
      return slot;
    });
    this.staging = this.ledger.create("staging", offset, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  }

  /** @throws UsageError when the inputs do not match the graph, DeviceFailure when the device was lost */
  async run(inputs: readonly TypedArray[], outputs?: readonly TypedArray[]): Promise<readonly TypedArray[]> {
    const { device } = this.shared;
    checkOutputs(this.graph, outputs);
    this.writeInputs(inputs);
    const encoder = device.createCommandEncoder({ label: this.graph.name });
    if (this.steps.length > 0) {
      const pass = encoder.beginComputePass({ label: this.graph.name });
      for (const step of this.steps) encodeStep(pass, step);
      pass.end();
    }
    return this.submitAndRead(encoder, outputs);
  }

  private writeInputs(inputs: readonly TypedArray[]): void {
    invariant(!this.disposed, `session of "${this.graph.name}" was disposed`);
    this.shared.assertUsable();
    if (inputs.length !== this.graph.inputs.length) {
      throw new UsageError(`model "${this.graph.name}": inputs, got ${inputs.length}, expected ${this.graph.inputs.length}`);
    }
    inputs.forEach((data, i) => {
      const tensor = tensorOf(this.graph, this.graph.inputs[i]!);
      const count = elementCount(tensor.shape);
      if (data.length !== count) throw new UsageError(`input "${tensor.name}": elements, got ${data.length}, expected ${count}`);
      const stored = toStored(tensor, data);
      if (stored.byteLength > 0)
        this.shared.device.queue.writeBuffer(this.inputs[i]!, 0, stored.buffer, stored.byteOffset, stored.byteLength);
    });
  }

  private async submitAndRead(encoder: GPUCommandEncoder, to: readonly TypedArray[] | undefined): Promise<readonly TypedArray[]> {
    const { staging } = this;
    invariant(staging !== undefined, "session without staging buffer");
    for (const { source, offset, bytes } of this.outputs) {
      if (source !== undefined && bytes > 0) encoder.copyBufferToBuffer(source, 0, staging, offset, bytes);
    }
    this.shared.device.queue.submit([encoder.finish()]);
    await this.shared.guard(staging.mapAsync(GPUMapMode.READ));
    const mapped = staging.getMappedRange();
    const results = this.outputs.map(({ tensor, source, offset }, i) =>
      source === undefined ? deliver(tensor.data!, to?.[i]) : fromStored(tensor, mapped, offset, to?.[i]),
    );
    staging.unmap();
    this.shared.assertUsable();
    return results;
  }

  memory(): SessionMemory {
    return { weights: this.weightBytes, activationsPeak: this.activationBytes, gpuPeak: this.ledger.peakBytes };
  }

  /** Bytes of GPU buffers and query sets that live now; zero after `dispose`. */
  get liveBytes(): number {
    return this.ledger.liveBytes;
  }

  /** GPU buffers and query sets that live now. */
  get liveObjects(): number {
    return this.ledger.liveObjects;
  }

  placement(): readonly Placement[] {
    return this.graph.nodes.flatMap((node) => {
      const kernels = this.lowered.kernels.get(node.name) ?? [];
      const choice = this.lowered.choices.get(node.name);
      return [...new Set(kernels)].map((kernel) => ({
        node: node.name,
        op: node.op,
        kernel,
        engine: "webgpu",
        ...(kernel === choice?.kernel ? { why: choice.why } : {}),
      }));
    });
  }

  get profileRows(): number {
    return this.steps.length;
  }

  async profile(inputs: readonly TypedArray[]): Promise<readonly NodeProfile[]> {
    this.writeInputs(inputs);
    return this.timed().profile();
  }

  async gpuTime(inputs: readonly TypedArray[]): Promise<GpuTime | undefined> {
    this.writeInputs(inputs);
    return this.timed().gpuTime();
  }

  private timed(): StepTimer {
    invariant(this.timer !== undefined, "session without timer");
    return this.timer;
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.ledger.destroyAll();
    this.steps = [];
    this.shared.release();
  }
}
