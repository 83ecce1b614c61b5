/** Counts every GPU buffer of a session: WebGPU itself tells nobody how much memory is in use. */
import { DeviceLimitError, invariant } from "../../errors.ts";

export class BufferLedger {
  private readonly device: GPUDevice;
  private readonly sizes = new Map<GPUBuffer, number>();
  private current = 0;
  private highest = 0;

  constructor(device: GPUDevice) {
    this.device = device;
  }

  /** Bytes of the buffers that live now. */
  get liveBytes(): number {
    return this.current;
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
    const buffer = this.device.createBuffer({ label, size, usage });
    this.sizes.set(buffer, size);
    this.current += size;
    this.highest = Math.max(this.highest, this.current);
    return buffer;
  }

  destroy(buffer: GPUBuffer): void {
    const size = this.sizes.get(buffer);
    invariant(size !== undefined, `buffer "${buffer.label}" is not in the ledger`);
    this.sizes.delete(buffer);
    this.current -= size;
    buffer.destroy();
  }

  destroyAll(): void {
    for (const buffer of [...this.sizes.keys()]) this.destroy(buffer);
  }
}

export function alignBytes(bytes: number, alignment: number): number {
  return Math.max(alignment, Math.ceil(bytes / alignment) * alignment);
}
