/** What plans of weighted layers share: addresses of groups, panels and pieces, and the tables of windows. */
import { describe, expect, it } from "vitest";
import { LinearMemory } from "../../../src/engines/wasm/memory.ts";
import { planLists, planTiles, placePanels } from "../../../src/engines/wasm/plan/layer.ts";
import type { Access, LayerProblem, Tiles } from "../../../src/engines/wasm/plan/layer.ts";
import { planWindows } from "../../../src/engines/wasm/plan/windows.ts";
import { PlanContext } from "../../../src/engines/wasm/program.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";

const PIECES = 3;
const [INPUT, OUTPUT, SCRATCH] = [1000, 2000, 64_000];

function setUp(): { readonly context: PlanContext; readonly ints: (address: number, count: number) => readonly number[] } {
  const memory = new LinearMemory();
  const graph = new GraphBuilder("none").finish([]);
  const selection = { simd: true, features: new Set<never>(), sparse: "auto", coded: "auto", chosen: new Map<string, never>() } as const;
  const context = new PlanContext(graph, memory, 0, new Map(), selection, PIECES);
  return { context, ints: (address, count) => [...new Int32Array(memory.memory.buffer, address, count)] };
}

/** 2 × 3 pixels of 2 × 20 outputs, windows of 2 × 3 pixels of 2 × 2 channels. */
function layer(): LayerProblem {
  const attrs = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0], groups: 2 } as const;
  const shape = [1, 3, 5, 4];
  const windows = planWindows(shape, [1, 2, 3, 40], [2, 3], attrs);
  return { windows, shape, pads: attrs.pads, groups: 2, n: 20, k: 12, input: INPUT, output: OUTPUT };
}

const PER_OUTPUT = Int32Array.from({ length: 40 }, (_, o) => 100 + o);
const copy = { bytes: 100, call: (to: number) => ({ kernel: "copy", args: [to] }) };

function tiles(context: PlanContext, problem: LayerProblem, access: Access): Tiles {
  return {
    kernel: "tile",
    access,
    tile: [4, 8],
    inputBytes: 2,
    outputBytes: 4,
    lane: 4,
    copy,
    ownBytes: 48,
    // Three panels of 40 bytes.
    panels: placePanels(context, problem, (first, share) => new Int32Array(3 * 10).fill(first + share(PER_OUTPUT)[0]!)),
    block: 6,
    decode: (own) => [own, -1],
    finish: (own) => [-2, own],
    operandBytes: [1, 1],
    rate: 1,
  };
}

describe("tiles", () => {
  it("read each group's channels through tables of byte offsets, the last window repeated", () => {
    const { context, ints } = setUp();
    const problem = layer();
    const plan = planTiles(context, problem, tiles(context, problem, "windows"));
    // A copy of 100 bytes takes two lines; pieces come behind it.
    expect(plan.scratchBytes).toBe(128 + PIECES * 48);
    const [copied, ...calls] = plan.calls(SCRATCH);
    expect(copied).toEqual({ kernel: "copy", args: [SCRATCH] });
    expect(calls.map(({ args }) => args.length)).toEqual([15, 15]);
    for (const [g, { args }] of calls.entries()) {
      const [input, table, segments, count, steps, weights, own, decode, output, stride, rows, columns, block, ...finish] = args;
      expect([input, count, steps]).toEqual([SCRATCH + g * 2 * 2, 6, 1]);
      expect(ints(table!, 8)).toEqual([0, 8, 16, 40, 48, 56, 56, 56]);
      expect(ints(segments!, 6)).toEqual([0, 8, 16, 40, 48, 56]);
      expect(ints(weights!, 1)).toEqual([20 * g + 100 + 20 * g]);
      expect([own, decode, ...finish]).toEqual([SCRATCH + 128, -1, -2, SCRATCH + 128]);
      expect([output, stride, rows, columns, block]).toEqual([OUTPUT + g * 20 * 4, 160, 6, 20, 6]);
    }
  });

  it("of a piece start at its tile's row, with scratch memory of their own", () => {
    const { context } = setUp();
    const problem = layer();
    const call = planTiles(context, problem, tiles(context, problem, "windows")).calls(SCRATCH)[2]!;
    const whole = call.args;
    const part = call.split!.part(1, 2, 2);
    expect(call.split!.units).toBe(2);
    expect(part[1]! - whole[1]!).toBe(4 * 4);
    expect(part[8]! - whole[8]!).toBe(4 * 160);
    expect([part[6]! - whole[6]!, part.at(-1)! - whole.at(-1)!]).toEqual([96, 96]);
    expect([part[10], part[11]]).toEqual([2, 20]);
  });

  it("of one row are divided into panels", () => {
    const { context } = setUp();
    const problem: LayerProblem = {
      ...layer(),
      windows: { m: 1, rows: Int32Array.of(0), segments: Int32Array.of(0), run: 12, stride: 12 },
    };
    const call = planTiles(context, problem, tiles(context, problem, "vector")).calls(SCRATCH)[1]!;
    expect(call.args).toEqual([SCRATCH, 3, call.args[2], SCRATCH + 128, -1, OUTPUT, 20, -2, SCRATCH + 128]);
    const last = call.split!.part(2, 3, 0);
    expect([last[2]! - call.args[2]!, last[5]! - OUTPUT, last[6]]).toEqual([2 * 40, 2 * 8 * 4, 4]);
  });

  it("at a stride step from row to row", () => {
    const { context } = setUp();
    const problem: LayerProblem = {
      ...layer(),
      windows: { m: 6, rows: Int32Array.of(0, 12, 24, 36, 48, 60), segments: Int32Array.of(0), run: 12, stride: 12 },
    };
    const call = planTiles(context, problem, tiles(context, problem, "rows")).calls(SCRATCH)[1]!;
    expect(call.args.slice(0, 3)).toEqual([SCRATCH, 24, 3]);
    expect(call.split!.part(1, 2, 0).slice(0, 3)).toEqual([SCRATCH + 4 * 24, 24, 3]);
  });
});

describe("lists", () => {
  const lists = { kernel: "lists", rows: 4, inputBytes: 4, outputBytes: 4, lists: 7, finish: [-3], cost: 1 } as const;

  it("read the input where it lies, by tiles of rows", () => {
    const { context, ints } = setUp();
    const problem = { ...layer(), groups: 1, n: 40 };
    const plan = planLists(context, problem, lists);
    const [call] = plan.calls(SCRATCH);
    expect(plan.scratchBytes).toBe(0);
    expect(call!.args).toEqual([INPUT, call!.args[1], 7, OUTPUT, 160, 6, 40, -3]);
    expect(ints(call!.args[1]!, 8)).toEqual([0, 16, 32, 80, 96, 112, 112, 112]);
    expect(call!.split!.part(1, 2, 0)).toEqual([INPUT, call!.args[1]! + 16, 7, OUTPUT + 640, 160, 2, 40, -3]);
  });

  it("gather blocks into scratch memory of their piece", () => {
    const { context } = setUp();
    const problem = { ...layer(), groups: 1, n: 40 };
    const plan = planLists(context, problem, { ...lists, tableRows: 16, ownBytes: 32, gather: (own) => [own] });
    const { args, split } = plan.calls(SCRATCH)[0]!;
    expect(plan.scratchBytes).toBe(PIECES * 32);
    expect(args.slice(3, 6)).toEqual([6, 2, SCRATCH]);
    expect(split!.part(0, 1, 2)[5]).toBe(SCRATCH + 64);
  });
});
