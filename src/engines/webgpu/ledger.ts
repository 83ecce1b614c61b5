/**
 * Counts every GPU object that holds memory: WebGPU itself tells nobody how much is in use. The engine makes buffers and query sets, and
 * no textures. A buffer counts its size as allocated, a query set eight bytes a query, which is what its results take.
 */
import { DeviceLimitError, invariant } from "../../errors.ts";

/** Queries of one set: the largest count that WebGPU allows. */
export const MAX_QUERIES = 4096;
const QUERY_BYTES = 8;

export class GpuLedger {
  private readonly device: GPUDevice;
  private readonly sizes = new Map<GPUBuffer | GPUQuerySet, number>();
  private current = 0;
  private highest = 0;

  constructor(device: GPUDevice) {
    this.device = device;
  }

  /** Bytes of what lives now. */
  get liveBytes(): number {
    return this.current;
  }

  /** Buffers and query sets that live now. */
  get liveObjects(): number {
    return this.sizes.size;
  }

  /** High-water mark of `liveBytes`. */
  get peakBytes(): number {
    return this.highest;
  }

  /** @throws DeviceLimitError above maxBufferSize */
  create(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = alignBytes(bytes, 16);
    const limit = this.device.limits.maxBufferSize;
    if (size > limit) {
      throw new DeviceLimitError(
        `webgpu: buffer "${label}" exceeds maxBufferSize, got ${size} bytes, expected at most ${limit}`,
        "use a smaller model or batch, or another target",
      );
    }
    return this.enter(this.device.createBuffer({ label, size, usage }), size);
  }

  /** Needs the feature timestamp-query. */
  createTimestamps(label: string, count: number): GPUQuerySet {
    invariant(count <= MAX_QUERIES, `query set "${label}" of ${count} queries`);
    return this.enter(this.device.createQuerySet({ label, type: "timestamp", count }), count * QUERY_BYTES);
  }

  private enter<T extends GPUBuffer | GPUQuerySet>(object: T, size: number): T {
    this.sizes.set(object, size);
    this.current += size;
    this.highest = Math.max(this.highest, this.current);
    return object;
  }

  destroy(object: GPUBuffer | GPUQuerySet): void {
    const size = this.sizes.get(object);
    invariant(size !== undefined, `"${object.label}" is not in the ledger`);
    this.sizes.delete(object);
    this.current -= size;
    object.destroy();
  }

  destroyAll(): void {
    for (const object of [...this.sizes.keys()]) this.destroy(object);
  }
}

export function alignBytes(bytes: number, alignment: number): number {
  return Math.max(alignment, Math.ceil(bytes / alignment) * alignment);
}
