/**
 * Adapter and device: facts for the record, the software label, and a device that sessions share for as long as one of them lives
 * (with its pipeline cache), so that Dawn can let the process go afterwards.
 */
import { DeviceFailure, UnavailableError } from "../../errors.ts";

/** What of `GPUAdapterInfo` tells software from hardware. */
export interface AdapterIdentity {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter: boolean;
}

const SOFTWARE_NAMES = /swiftshader|llvmpipe|lavapipe|softpipe|\bwarp\b|microsoft basic render|software/i;

/** True for GPUs that are programs: SwiftShader, llvmpipe (lavapipe), WARP. */
export function isSoftwareAdapter(info: AdapterIdentity): boolean {
  return info.isFallbackAdapter || SOFTWARE_NAMES.test(`${info.vendor} ${info.architecture} ${info.device} ${info.description}`);
}

/** Limits that lowering checks before any dispatch, as the device has them. */
export interface DeviceLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupsPerDimension: number;
}

const LIMIT_NAMES = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
] as const satisfies readonly (keyof DeviceLimits)[];

/** Features that kernels or clocks use; asked for where the adapter has them. */
const FEATURES = ["timestamp-query", "shader-f16", "subgroups"] as const satisfies readonly GPUFeatureName[];

/** What lowering may know about the device: a plain record, so that it stays a pure function. */
export interface DeviceFacts {
  readonly software: boolean;
  /** `dot4I8Packed` and its relatives. */
  readonly dot4: boolean;
  /** `shader-f16`: arithmetic and storage in half precision. */
  readonly f16: boolean;
  readonly subgroups: boolean;
  readonly limits: DeviceLimits;
}

function limitsOf(limits: GPUSupportedLimits): Record<keyof DeviceLimits, number> {
  return Object.fromEntries(LIMIT_NAMES.map((name) => [name, limits[name]])) as Record<keyof DeviceLimits, number>;
}

/** WGSL language features as names; an older implementation has no such set. */
function languageFeatures(gpu: GPU): readonly string[] {
  const features = (gpu as { readonly wgslLanguageFeatures?: ReadonlySet<string> }).wgslLanguageFeatures;
  return features === undefined ? [] : [...features].sort();
}

/** @throws UnavailableError when the GPU object gives no adapter */
export async function requestAdapter(gpu: GPU | undefined): Promise<GPUAdapter> {
  if (gpu === undefined) {
    throw new UnavailableError(
      "no-webgpu",
      "webgpu: this host has no WebGPU",
      "run bench doctor; in a browser, use one with WebGPU switched on",
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) {
    throw new UnavailableError(
      "no-gpu",
      "webgpu: no GPU adapter",
      "install a Vulkan, Metal or D3D12 driver, or run bench doctor to see what was tried",
    );
  }
  return adapter;
}

/** Facts for `environment`: adapter, features that matter here, limits. */
export function adapterFacts(gpu: GPU, adapter: GPUAdapter): Readonly<Record<string, string | number | boolean>> {
  const { info, limits } = adapter;
  return {
    vendor: info.vendor,
    architecture: info.architecture,
    device: info.device,
    description: info.description,
    fallback: info.isFallbackAdapter,
    software: isSoftwareAdapter(info),
    features: [...adapter.features].sort().join(" "),
    languageFeatures: languageFeatures(gpu).join(" "),
    timestampQuery: adapter.features.has("timestamp-query"),
    dot4: languageFeatures(gpu).includes("packed_4x8_integer_dot_product"),
    subgroups: adapter.features.has("subgroups"),
    shaderF16: adapter.features.has("shader-f16"),
    maxBufferSizeBytes: limits.maxBufferSize,
    maxStorageBufferBindingSizeBytes: limits.maxStorageBufferBindingSize,
    maxComputeWorkgroupStorageSizeBytes: limits.maxComputeWorkgroupStorageSize,
    maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
    maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
  };
}

/** A device with everything that lives as long as it does. */
export class SharedDevice {
  readonly device: GPUDevice;
  /** Held, not used: Dawn in Node frees its instance when this object is collected, and the next callback then crashes. */
  readonly gpu: GPU;
  readonly facts: DeviceFacts;
  /** Pipelines by explicit key; a promise, so that two sessions compile one pipeline once. */
  readonly pipelines = new Map<string, Promise<GPUComputePipeline>>();
  /** Set when the device was lost, or destroyed by somebody else. */
  lost: DeviceFailure | undefined;
  /** The first error outside every error scope; a bug of ours or of the driver, reported by the next run. */
  uncaptured: string | undefined;
  private leases = 0;
  private closed = false;
  private readonly onEmpty: () => void;

  constructor(gpu: GPU, device: GPUDevice, facts: DeviceFacts, onEmpty: () => void) {
    this.gpu = gpu;
    this.device = device;
    this.facts = facts;
    this.onEmpty = onEmpty;
    void device.lost.then((info) => {
      if (this.closed) return;
      this.lost = new DeviceFailure(
        "device-lost",
        `webgpu: the GPU device was lost, got reason "${info.reason}": ${info.message}`,
        "run again; if it repeats, the driver crashed or ran out of memory: use a smaller model or another target",
      );
      this.onEmpty();
    });
    device.addEventListener("uncapturederror", (event) => {
      this.uncaptured ??= event.error.message;
    });
  }

  acquire(): this {
    this.leases++;
    return this;
  }

  release(): void {
    this.leases--;
    if (this.leases > 0) return;
    this.closed = true;
    this.onEmpty();
    this.device.destroy();
  }

  /** Awaits the device; a rejection is explained by its loss, if that is what happened. */
  async guard<T>(pending: Promise<T>): Promise<T> {
    try {
      return await pending;
    } catch (error) {
      const settled = this.device.queue.onSubmittedWorkDone().catch(() => undefined);
      await Promise.race([this.device.lost, settled]);
      this.assertUsable();
      throw error;
    }
  }

  /** @throws DeviceFailure after a loss, Error after an error that no scope caught */
  assertUsable(): void {
    if (this.lost !== undefined) throw this.lost;
    if (this.uncaptured !== undefined) throw new Error(`internal: webgpu reported: ${this.uncaptured}`);
  }
}

const sharedDevices = new WeakMap<GPU, Promise<SharedDevice>>();

async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  try {
    return await adapter.requestDevice({
      label: "slimbench",
      requiredFeatures: FEATURES.filter((name) => adapter.features.has(name)),
      requiredLimits: limitsOf(adapter.limits),
    });
  } catch (error) {
    throw new UnavailableError(
      "no-device",
      `webgpu: the adapter gives no device, got: ${error instanceof Error ? error.message : String(error)}`,
      "close other programs that use the GPU, or restart the driver",
      error,
    );
  }
}

async function open(gpu: GPU): Promise<SharedDevice> {
  const adapter = await requestAdapter(gpu);
  // WebGPU gives a device the least limits of all devices unless asked for more.
  const device = await requestDevice(adapter);
  const facts: DeviceFacts = {
    software: isSoftwareAdapter(adapter.info),
    dot4: languageFeatures(gpu).includes("packed_4x8_integer_dot_product"),
    f16: device.features.has("shader-f16"),
    subgroups: device.features.has("subgroups"),
    limits: limitsOf(device.limits),
  };
  return new SharedDevice(gpu, device, facts, () => {
    sharedDevices.delete(gpu);
  });
}

/** The device of `gpu`, opened when no session holds one; release it once per acquire. */
export async function acquireDevice(gpu: GPU | undefined): Promise<SharedDevice> {
  if (gpu === undefined) {
    await requestAdapter(gpu);
    throw new Error("internal: unreachable");
  }
  let pending = sharedDevices.get(gpu);
  if (pending === undefined) {
    pending = open(gpu);
    sharedDevices.set(gpu, pending);
    pending.catch(() => sharedDevices.delete(gpu));
  }
  return (await pending).acquire();
}
