/**
 * The GPU's own clock. WebGPU writes it at the begin and the end of a pass only, so what shall be timed is a pass of its own (a region).
 * What a region took is the difference of its two timestamps; a region must span many ticks of the clock, and is repeated within its
 * pass until it does. Differences can be negative, since counters may be reset (WebGPU specification, "Timestamp Query").
 */
import type { SharedDevice } from "./device.ts";
import { MAX_QUERIES } from "./ledger.ts";
import type { GpuLedger } from "./ledger.ts";

/** Encodes into a pass that is timed as a whole. */
export type Region = (pass: GPUComputePassEncoder) => void;

/** Nanoseconds of the GPU's clock, whose zero means nothing. */
export interface RegionTimes {
  readonly begin: bigint;
  readonly end: bigint;
}

const REGIONS_AT_ONCE = MAX_QUERIES / 2;

/** One submission (for each 2048 regions); the query set and buffers live no longer than this call. Needs the feature timestamp-query. */
export async function timeRegions(shared: SharedDevice, ledger: GpuLedger, regions: readonly Region[]): Promise<readonly RegionTimes[]> {
  const times: RegionTimes[] = [];
  for (let first = 0; first < regions.length; first += REGIONS_AT_ONCE) {
    times.push(...(await timeSome(shared, ledger, regions.slice(first, first + REGIONS_AT_ONCE))));
  }
  return times;
}

async function timeSome(shared: SharedDevice, ledger: GpuLedger, regions: readonly Region[]): Promise<readonly RegionTimes[]> {
  const { device } = shared;
  const queries = regions.length * 2;
  const bytes = queries * 8;
  const querySet = ledger.createTimestamps("timestamps", queries);
  const resolved = ledger.create("timestamps", bytes, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC);
  const readable = ledger.create("timestamps read", bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  try {
    const encoder = device.createCommandEncoder({ label: "timed" });
    regions.forEach((encode, i) => {
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
      const pass = encoder.beginComputePass({ label: `timed ${i}`, timestampWrites });
      encode(pass);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, queries, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, readable, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await shared.guard(readable.mapAsync(GPUMapMode.READ));
    const words = new BigUint64Array(readable.getMappedRange().slice(0, bytes));
    readable.unmap();
    shared.assertUsable();
    return regions.map((_, i) => ({ begin: words[2 * i]!, end: words[2 * i + 1]! }));
  } finally {
    for (const object of [querySet, resolved, readable]) ledger.destroy(object);
  }
}

/** A region shorter than so many ticks is repeated: the error of two readings is then 1 % at most. */
export const LEAST_TICKS = 100;
const MOST_REPEATS = 2 ** 14;
/** Of one attempt: a first difference of a tick or none says little. */
const MOST_GROWTH = 128;
const MARGIN = 1.2;

/**
 * How often to repeat what took `ns` with `repeats` repetitions; `repeats` when that was long enough.
 * @param gridNs ticks of the clock
 */
export function nextRepeats(ns: number, repeats: number, gridNs: number): number {
  const wanted = LEAST_TICKS * gridNs;
  if (ns >= wanted) return repeats;
  const each = Math.max(ns, gridNs) / repeats;
  return Math.min(MOST_REPEATS, repeats * MOST_GROWTH, Math.max(repeats + 1, Math.ceil((MARGIN * wanted) / each)));
}

/** What can be repeated within its pass. */
export interface Repeatable {
  readonly encode: (pass: GPUComputePassEncoder, repeats: number) => void;
  /** Repetitions that were enough so far; grows. */
  repeats: number;
}

export interface RegionTime {
  /** Of one repetition. */
  readonly ms: number;
  /** From the begin of the first region of the same submission; absent where anything was repeated or measured anew. */
  readonly startMs?: number;
}

export interface RegionReport {
  /** One a region; undefined where it could not be measured. */
  readonly times: readonly (RegionTime | undefined)[];
  /** Differences that were negative, and measured anew. */
  readonly dropped: number;
}

const MOST_ATTEMPTS = 6;

/** Times regions, each repeated until it is long enough for the clock. */
export async function timeRepeated(
  shared: SharedDevice,
  ledger: GpuLedger,
  regions: readonly Repeatable[],
  gridNs: number,
): Promise<RegionReport> {
  const times = new Array<RegionTime | undefined>(regions.length).fill(undefined);
  let dropped = 0;
  let open = regions.map((region, index) => ({ region, index }));
  for (let attempt = 0; attempt < MOST_ATTEMPTS && open.length > 0; attempt++) {
    const measured = await timeRegions(
      shared,
      ledger,
      open.map(
        ({ region }) =>
          (pass): void =>
            region.encode(pass, region.repeats),
      ),
    );
    const origin = measured[0]?.begin ?? 0n;
    const plain = attempt === 0 && regions.every(({ repeats }) => repeats === 1);
    open = open.filter(({ region, index }, i) => {
      const { begin, end } = measured[i]!;
      const ns = Number(end - begin);
      if (ns < 0) {
        dropped++;
        return true;
      }
      const repeats = nextRepeats(ns, region.repeats, gridNs);
      if (repeats === region.repeats) {
        if (ns < LEAST_TICKS * gridNs) return false;
        times[index] = { ms: ns / 1e6 / repeats, ...(plain ? { startMs: Number(begin - origin) / 1e6 } : {}) };
        return false;
      }
      region.repeats = repeats;
      return true;
    });
  }
  return { times, dropped };
}
