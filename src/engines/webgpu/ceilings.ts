/**
 * What this device can do at most: loops on registers and a copy between two buffers, by the GPU's clock. Kernels are quoted as a share
 * of it. Of several loops of a type the fastest counts, since which form a driver likes is the driver's choice.
 */
import type { Peak } from "../engine.ts";
import type { SharedDevice } from "./device.ts";
import { timestampGrid } from "./grid.ts";
import { GpuLedger } from "./ledger.ts";
import { PROBE_WORKGROUP, copyStep, peakStep } from "./probes.ts";
import type { Encode, LoopSize } from "./probes.ts";
import type { ShaderReader } from "./shaders.ts";
import { timeRepeated } from "./timestamps.ts";
import type { Repeatable } from "./timestamps.ts";

interface Loop {
  readonly type: "float32" | "int8";
  readonly name: string;
  readonly kernel: string;
  /** Of a thread and turn. */
  readonly operations: number;
}

const STEPS_A_TURN = 4;
const FLOAT_OPERATIONS = 2 * 8 * 4 * STEPS_A_TURN;
const INTEGER_OPERATIONS = 8 * 16 * STEPS_A_TURN;
const LOOPS: readonly Loop[] = [
  { type: "float32", name: "f32 fused multiply-add", kernel: "f32_peak_fma_8x4__wgsl", operations: FLOAT_OPERATIONS },
  { type: "float32", name: "f32 multiply and add", kernel: "f32_peak_muladd_8x4__wgsl", operations: FLOAT_OPERATIONS },
  { type: "int8", name: "dot4I8Packed and add", kernel: "i8_peak_dot4_16x1__wgsl", operations: INTEGER_OPERATIONS },
];
/** Where the language has no dot product of bytes. */
const UNPACKED: Loop = {
  type: "int8",
  name: "bytes unpacked, int32 products and add",
  kernel: "i8_peak_unpack_16x1__wgsl",
  operations: INTEGER_OPERATIONS,
};

/** Enough threads for the largest GPUs, and milliseconds on the smallest; less for a processor that plays one. */
const HARDWARE_SIZE: LoopSize = { iterations: 128, groups: 1024 };
const SOFTWARE_SIZE: LoopSize = { iterations: 32, groups: 16 };
/** Larger than caches, where the device allows. */
const HARDWARE_COPY_BYTES = 2 ** 27;
const SOFTWARE_COPY_BYTES = 2 ** 23;
const COPY_UNIT = 256;

/**
 * Each peak holds a lease of `shared` of its own, which its `dispose` gives back.
 * @returns none where the device has no clock of its own: by the wall, submission and read-back would be counted in
 */
export async function webgpuPeaks(shared: SharedDevice, read: ShaderReader): Promise<readonly Peak[]> {
  const gridNs = await timestampGrid(shared, read);
  if (gridNs === undefined) return [];
  const { dot4, software, limits } = shared.facts;
  const size = software ? SOFTWARE_SIZE : HARDWARE_SIZE;
  const turns = size.iterations * size.groups * PROBE_WORKGROUP;
  const loops = [...LOOPS.filter(({ type }) => dot4 || type !== "int8"), ...(dot4 ? [] : [UNPACKED])];
  const most = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize, software ? SOFTWARE_COPY_BYTES : HARDWARE_COPY_BYTES);
  const bytes = Math.floor(most / COPY_UNIT) * COPY_UNIT;
  const peaks: Peak[] = [];
  try {
    for (const { type, name, kernel, operations } of loops) {
      const peak = { type, name, operations: operations * turns };
      peaks.push(await open(shared, gridNs, peak, (ledger) => peakStep(shared, ledger, read, kernel, size)));
    }
    const copy = { type: "copy", name: `copy of ${bytes / 2 ** 20} MiB`, operations: 2 * bytes } as const;
    peaks.push(await open(shared, gridNs, copy, (ledger) => copyStep(shared, ledger, read, bytes)));
    return peaks;
  } catch (error) {
    for (const { dispose } of peaks) dispose?.();
    throw error;
  }
}

async function open(
  shared: SharedDevice,
  gridNs: number,
  peak: Pick<Peak, "type" | "name" | "operations">,
  make: (ledger: GpuLedger) => Promise<Encode>,
): Promise<Peak> {
  const ledger = new GpuLedger(shared.device);
  shared.acquire();
  const dispose = (): void => {
    ledger.destroyAll();
    shared.release();
  };
  try {
    const region: Repeatable = { encode: await make(ledger), repeats: 1 };
    // What the clock does not resolve is no ceiling of anything.
    const ms = async (): Promise<number> => (await timeRepeated(shared, ledger, [region], gridNs)).times[0]?.ms ?? Infinity;
    return { ...peak, ms, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}
