/**
 * Weights without their zeros, in the layouts of the sparse WGSL kernels: lists of the positions that are left, shared by 8, 16 or 32 output
 * channels or by none, over single values of k or units of four; and 2:4 storage. They look at the data, not at a promise.
 */
import { eachRow, kUnits, runUnits } from "./pack.ts";
import type { GemmShape, PositionAt, WeightAt } from "./pack.ts";

/** How the weights are cut: `unit` consecutive k × `outputs` channels that are kept or left out together. */
export interface ListShape {
  readonly outputs: 1 | 8 | 16 | 32;
  readonly unit: 1 | 4;
}

export interface Lists {
  /** [groups × ceil(n / outputs) + 1] first entry of each list */
  readonly starts: Uint32Array;
  /** Encoded by `PositionAt`, of the first value of the unit. */
  readonly positions: Uint32Array;
}

/** A unit of k in the order of a list, with its segment and place in the run. */
type VisitUnit = (segmentY: number, segmentX: number, position: number) => void;

function eachUnit(shape: GemmShape, unit: number, visit: VisitUnit): void {
  if (unit === 1) {
    eachRow(shape, (_, sy, sx, p) => {
      visit(sy, sx, p);
    });
    return;
  }
  const units = runUnits(shape);
  for (let sy = 0; sy < shape.segmentsY; sy++)
    for (let sx = 0; sx < shape.segmentsX; sx++) for (let j = 0; j < units; j++) visit(sy, sx, j * unit);
}

/** Weights of one kept piece are not all zero. */
function isLive(
  shape: GemmShape,
  weight: WeightAt,
  first: number,
  last: number,
  unit: number,
  at: readonly [number, number, number],
): boolean {
  const end = Math.min(shape.run, at[2] + unit);
  for (let o = first; o < last; o++) for (let p = at[2]; p < end; p++) if (weight(o, at[0], at[1], p) !== 0) return true;
  return false;
}

/** First and last (exclusive) output channel of each list, over all groups. */
function channelRanges({ groups, groupOut }: GemmShape, outputs: number): readonly (readonly [number, number])[] {
  const lists = Math.ceil(groupOut / outputs);
  return Array.from({ length: groups * lists }, (_, i) => {
    const first = Math.floor(i / lists) * groupOut + (i % lists) * outputs;
    return [first, Math.min(first + outputs, (Math.floor(i / lists) + 1) * groupOut)] as const;
  });
}

/** Share of pieces with a weight that is not zero; the padding of byte rows does not count. */
export function liveShare(shape: GemmShape, weight: WeightAt, { outputs, unit }: ListShape): number {
  let live = 0;
  const ranges = channelRanges(shape, outputs);
  for (const [first, last] of ranges)
    eachUnit(shape, unit, (sy, sx, p) => {
      if (isLive(shape, weight, first, last, unit, [sy, sx, p])) live++;
    });
  const depth = shape.segmentsY * shape.segmentsX;
  const total = ranges.length * (unit === 1 ? depth * shape.runWeights : kUnits(shape));
  return total === 0 ? 1 : live / total;
}

/**
 * @param fill lists to a multiple of entries, with position 0 (whose weights are zero)
 * @param visit entry, first channel of its list and the number of channels, place of the unit
 * @returns undefined when a position cannot be encoded
 */
function buildLists(
  shape: GemmShape,
  weight: WeightAt,
  position: PositionAt,
  { outputs, unit }: ListShape,
  fill: number,
  start: (entries: number) => void,
  visit: (entry: number, first: number, width: number, segmentY: number, segmentX: number, p: number) => void,
): Lists | undefined {
  const ranges = channelRanges(shape, outputs);
  const starts = new Uint32Array(ranges.length + 1);
  const places: (readonly [number, number, number])[][] = [];
  ranges.forEach(([first, last], i) => {
    const kept: (readonly [number, number, number])[] = [];
    eachUnit(shape, unit, (...at) => {
      if (isLive(shape, weight, first, last, unit, at)) kept.push(at);
    });
    places.push(kept);
    starts[i + 1] = starts[i]! + Math.ceil(kept.length / fill) * fill;
  });
  const positions = new Uint32Array(starts[ranges.length]!);
  start(positions.length);
  let misfits = 0;
  ranges.forEach(([first, last], i) => {
    places[i]!.forEach((at, j) => {
      const entry = starts[i]! + j;
      const encoded = position(...at);
      if (encoded === undefined) misfits++;
      else positions[entry] = encoded;
      visit(entry, first, last - first, ...at);
    });
  });
  return misfits === 0 ? { starts, positions } : undefined;
}

export interface ListWeights<T> extends Lists {
  readonly values: T;
}

/**
 * values [entry][unit of k][outputs]
 * @param fill lists to a multiple of entries, with weights of zero
 */
export function packLists<T extends Float32Array | Int8Array>(
  shape: GemmShape,
  weight: WeightAt,
  position: PositionAt,
  list: ListShape,
  create: (length: number) => T,
  fill = 1,
): ListWeights<T> | undefined {
  let values = create(0);
  const piece = list.unit * list.outputs;
  const lists = buildLists(
    shape,
    weight,
    position,
    list,
    fill,
    (entries) => {
      values = create(entries * piece);
    },
    (entry, first, width, sy, sx, p) => {
      for (let i = 0; i < Math.min(list.unit, shape.run - p); i++)
        for (let j = 0; j < width; j++) values[entry * piece + i * list.outputs + j] = weight(first + j, sy, sx, p + i);
    },
  );
  return lists && { ...lists, values };
}

/** Entries of lists of single bytes that become one word. */
const BYTES = 4;

/**
 * Words for dot products. Units of four: values [entry][outputs] words of four k. Single values: lists are filled up to groups of four
 * entries, values [group][outputs] words of its four entries, `starts` count groups.
 */
export function packDotLists(
  shape: GemmShape,
  weight: WeightAt,
  position: PositionAt,
  list: ListShape,
): ListWeights<Uint32Array> | undefined {
  let bytes = new Int8Array(0);
  const { outputs, unit } = list;
  const fill = unit === 1 ? BYTES : 1;
  const lists = buildLists(
    shape,
    weight,
    position,
    list,
    fill,
    (entries) => {
      bytes = new Int8Array(entries * outputs * unit);
    },
    (entry, first, width, sy, sx, p) => {
      const word = (unit === 1 ? entry >> 2 : entry) * outputs;
      for (let i = 0; i < unit; i++)
        for (let j = 0; j < width; j++)
          bytes[(word + j) * BYTES + (unit === 1 ? entry & 3 : i)] = p + i < shape.run ? weight(first + j, sy, sx, p + i) : 0;
    },
  );
  if (lists === undefined) return undefined;
  const starts = unit === 1 ? lists.starts.map((entry) => entry / BYTES) : lists.starts;
  return { starts, positions: lists.positions, values: new Uint32Array(bytes.buffer) };
}

/** Lists of one channel each: entries of position and weight bits in two words. */
export function packCsr(
  shape: GemmShape,
  weight: WeightAt,
  position: PositionAt,
): { readonly starts: Uint32Array; readonly entries: Uint32Array } | undefined {
  const lists = packLists(shape, weight, position, { outputs: 1, unit: 1 }, (n) => new Float32Array(n));
  if (lists === undefined) return undefined;
  const bits = new Uint32Array(lists.values.buffer);
  const entries = new Uint32Array(bits.length * 2);
  for (let i = 0; i < bits.length; i++) entries.set([lists.positions[i]!, bits[i]!], i * 2);
  return { starts: lists.starts, entries };
}

export interface TwoOfFour {
  readonly values: Float32Array;
  readonly places: Uint32Array;
}

/**
 * 2:4 storage: of every four consecutive k at most two weights of a column are not zero.
 * values [group][k/4][ceil(n/4)][2][4], places half a word a block: two bits each for the first and second place of four columns
 * @returns undefined where some unit keeps more
 */
export function packTwoOfFour(shape: GemmShape, weight: WeightAt): TwoOfFour | undefined {
  const width = Math.ceil(shape.groupOut / 4);
  const depth = kUnits(shape);
  const blocks = shape.groups * depth * width;
  const values = new Float32Array(blocks * 8);
  const places = new Uint16Array(Math.ceil(blocks / 2) * 2);
  let misfits = 0;
  for (let g = 0; g < shape.groups; g++) {
    let unit = g * depth;
    eachUnit(shape, 4, (sy, sx, p) => {
      for (let j = 0; j < shape.groupOut; j++) {
        const block = unit * width + (j >> 2);
        let kept = 0;
        for (let i = 0; i < 4 && p + i < shape.run; i++) {
          const w = weight(g * shape.groupOut + j, sy, sx, p + i);
          if (w === 0) continue;
          if (kept === 2) {
            misfits++;
            return;
          }
          values[block * 8 + kept * 4 + (j & 3)] = w;
          places[block] = places[block]! | (i << ((j & 3) * 4 + kept * 2));
          kept++;
        }
      }
      unit++;
    });
  }
  return misfits === 0 ? { values, places: new Uint32Array(places.buffer) } : undefined;
}
