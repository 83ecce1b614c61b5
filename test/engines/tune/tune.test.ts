/** Tuning of a graph with an engine made up for it: wrong kernels, remembered measurements, damaged ones, a store that cannot write. */
import { describe, expect, it } from "vitest";
import { evaluateNode } from "../../../src/engines/cpu/evaluate.ts";
import type { Session } from "../../../src/engines/engine.ts";
import { readEntry, reasonOf } from "../../../src/engines/tune/entry.ts";
import { layerGraph, layerInputs, layerKey } from "../../../src/engines/tune/layer.ts";
import type { RaceSettings } from "../../../src/engines/tune/race.ts";
import { tuneGraph } from "../../../src/engines/tune/tune.ts";
import type { Tunable } from "../../../src/engines/tune/tune.ts";
import { TUNING_SCHEMA } from "../../../src/engines/tune/types.ts";
import type { TuneEntry, TuneReport, TuningStore } from "../../../src/engines/tune/types.ts";
import { FormatError, UnavailableError } from "../../../src/errors.ts";
import { GraphBuilder } from "../../../src/graph/builder.ts";
import type { TypedArray } from "../../../src/graph/dtype.ts";
import type { Graph } from "../../../src/graph/ir.ts";

const SETTINGS: RaceSettings = { warmup: { floorMs: 4, windowMs: 1, maxMs: 20 }, blockMs: 0, rounds: 9, outAt: 1.5, limitMs: 1000 };

/** Dense layers in a row, of 4 inputs and outputs each. @param zeros of each layer's 16 weights */
function chain(...zeros: readonly number[]): Graph {
  const b = new GraphBuilder("chain");
  let x = b.input("x", "float32", [2, 4]);
  zeros.forEach((count, i) => {
    const weights = Float32Array.from({ length: 16 }, (_, w) => (w < count ? 0 : 1 + w / 8));
    x = b.add("Dense", `d${i}`, [x, b.constant(`w${i}`, "float32", [4, 4], weights)], {});
  });
  return b.finish([x]);
}

interface Made {
  readonly engine: Tunable;
  /** Kernels that were opened, in order. */
  readonly opened: string[];
  readonly now: () => number;
}

/**
 * An engine whose kernels take so many milliseconds on a clock of its own; `wrong` ones compute something else.
 * @param lacks whether a kernel's profile, the how manieth, lacks one of its two rows
 */
function make(
  kernels: Readonly<Record<string, number>>,
  wrong: readonly string[] = [],
  lacks?: (kernel: string, profile: number) => boolean,
): Made {
  let clock = 0;
  const opened: string[] = [];
  let profiles = 0;
  const open = (layer: Graph, kernel: string): Session => {
    opened.push(kernel);
    const [node] = layer.nodes;
    return {
      run: (inputs) => {
        const tensors = new Map(layer.tensors);
        layer.inputs.forEach((name, i) => tensors.set(name, { ...layer.tensors.get(name)!, data: inputs[i]! }));
        const outputs = evaluateNode(node!, tensors);
        const spoilt = (data: TypedArray): TypedArray => data.map((v, i) => (i === 3 ? v + 1 : v));
        return Promise.resolve(wrong.includes(kernel) ? outputs.map(spoilt) : outputs);
      },
      profile: () => {
        clock += kernels[kernel]!;
        const row = { node: node!.name, op: node!.op, kernel, ms: kernels[kernel]! / 2 };
        return Promise.resolve(lacks?.(kernel, profiles++) === true ? [row] : [row, row]);
      },
      ...(lacks !== undefined && { profileRows: 2 }),
      memory: () => ({ weights: 0, activationsPeak: 0 }),
      placement: () => [],
      dispose: () => undefined,
    };
  };
  const engine: Tunable = {
    name: "made",
    facts: { version: "1" },
    alternatives: () => Promise.resolve(Object.keys(kernels)),
    open: (layer, kernel) => Promise.resolve(open(layer, kernel)),
  };
  return { engine, opened, now: () => clock };
}

class MemoryStore implements TuningStore {
  readonly machine = { cpu: "a cpu" };
  readonly entries = new Map<string, unknown>();

  load(machine: string, key: string): Promise<unknown> {
    return Promise.resolve(this.entries.get(`${machine}/${key}`));
  }

  store(machine: string, key: string, entry: TuneEntry): Promise<void> {
    this.entries.set(`${machine}/${key}`, JSON.parse(JSON.stringify(entry)));
    return Promise.resolve();
  }
}

function tune(graph: Graph, { engine, now }: Made, store: TuningStore, mode: "cached" | "force" = "cached"): Promise<TuneReport> {
  return tuneGraph(graph, engine, { mode, store, now, settings: SETTINGS });
}

describe("tuneGraph", () => {
  it("chooses the fastest kernel and says by how much", async () => {
    const report = await tune(chain(0), make({ first: 3, second: 2 }), new MemoryStore());
    expect(report.choices).toEqual([{ node: "d0", kernel: "second", why: "tuned: 1.50× faster than first (9 samples)" }]);
    expect(report).toMatchObject({ measured: 1, cached: 0, excluded: [], notes: [] });
  });

  it("keeps the default and says what it was compared with", async () => {
    const clear = await tune(chain(0), make({ first: 1, second: 2 }), new MemoryStore());
    expect(clear.choices[0]).toMatchObject({ kernel: "first", why: "tuned: 2.00× faster than second (3 samples)" });
    const even = await tune(chain(0), make({ first: 1, second: 1 }), new MemoryStore());
    expect(even.choices[0]?.why).toBe("tuned: no other kernel is faster by more than the noise (9 samples)");
  });

  it("never uses a kernel whose output is wrong, however fast, and reports it", async () => {
    const report = await tune(chain(0), make({ first: 3, wrong: 1, second: 2 }, ["wrong"]), new MemoryStore());
    expect(report.choices[0]?.kernel).toBe("second");
    expect(report.excluded).toHaveLength(1);
    expect(report.excluded[0]).toMatchObject({ node: "d0", kernel: "wrong" });
    expect(report.excluded[0]?.why).toMatch(/element 3: got .*, expected /);
  });

  it("takes an incomplete profile for none", async () => {
    // Half the profiles of the slower kernel show half its time, which would win.
    const now = await tune(
      chain(0),
      make({ first: 3, second: 4 }, [], (kernel, i) => kernel === "second" && i % 2 === 0),
      new MemoryStore(),
    );
    expect(now.choices[0]).toMatchObject({ kernel: "first" });
    expect(now.notes).toEqual([]);
  });

  it("chooses nothing where a kernel cannot be timed as a whole, keeps nothing, and says so once", async () => {
    const store = new MemoryStore();
    const made = make({ first: 3, second: 4 }, [], (kernel) => kernel === "second");
    const report = await tune(chain(0, 0), made, store);
    expect(report).toMatchObject({ choices: [], measured: 0, excluded: [] });
    expect(report.notes).toEqual(['tuning: node "d0": the clock could not time all of second, so its kernel is chosen by estimate']);
    expect(store.entries.size).toBe(0);
    expect(made.opened).toEqual(["first", "second"]);
  });

  it("replaces a wrong default by the first right kernel", async () => {
    const report = await tune(chain(0), make({ wrong: 1, right: 2 }, ["wrong"]), new MemoryStore());
    expect(report.choices[0]).toMatchObject({ kernel: "right", why: "tuned: no other kernel gave right results" });
  });

  it("leaves the default where none is right, for the check of the model to fail", async () => {
    const report = await tune(chain(0), make({ a: 1, b: 2 }, ["a", "b"]), new MemoryStore());
    expect(report.choices[0]?.kernel).toBe("a");
    expect(report.excluded.map(({ kernel }) => kernel)).toEqual(["a", "b"]);
  });

  it("measures equal layers once, and different ones each", async () => {
    expect(await tune(chain(0, 0, 8), make({ first: 3, second: 2 }), new MemoryStore())).toMatchObject({
      measured: 2,
      choices: { length: 3 },
    });
  });

  it("asks nothing where there is no choice", async () => {
    const made = make({ only: 1 });
    expect(await tune(chain(0), made, new MemoryStore())).toMatchObject({ choices: [], measured: 0 });
    expect(made.opened).toEqual([]);
  });

  it("tries at most 12 kernels", async () => {
    const kernels = Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`k${i}`, 20 - i]));
    const made = make(kernels);
    const report = await tune(chain(0), made, new MemoryStore());
    expect(new Set(made.opened).size).toBe(12);
    expect(report.choices[0]?.kernel).toBe("k11");
  });

  describe("with what was measured before", () => {
    it("takes it, and measures again only when told", async () => {
      const store = new MemoryStore();
      await tune(chain(0), make({ first: 3, second: 2 }), store);
      const made = make({ first: 2, second: 3 });
      expect(await tune(chain(0), made, store)).toMatchObject({ measured: 0, cached: 1, choices: [{ kernel: "second" }] });
      expect(made.opened).toEqual([]);
      expect(await tune(chain(0), made, store, "force")).toMatchObject({ measured: 1, cached: 0, choices: [{ kernel: "first" }] });
      expect(await tune(chain(0), make({ first: 3, second: 2 }), store)).toMatchObject({ cached: 1, choices: [{ kernel: "first" }] });
    });

    it("reports what was excluded then", async () => {
      const store = new MemoryStore();
      await tune(chain(0), make({ first: 3, wrong: 1 }, ["wrong"]), store);
      expect((await tune(chain(0), make({ first: 3, wrong: 1 }), store)).excluded).toHaveLength(1);
    });

    it("does not mix machines, engines' builds and options", async () => {
      const store = new MemoryStore();
      const made = make({ first: 3, second: 2 });
      await tune(chain(0), made, store);
      await tuneGraph(chain(0), { ...made.engine, facts: { version: "2" } }, { mode: "cached", store, now: made.now, settings: SETTINGS });
      expect(store.entries.size).toBe(2);
    });

    it("measures anew, with a note, what does not fit or cannot be read", async () => {
      const store = new MemoryStore();
      await tune(chain(0), make({ first: 3, second: 2 }), store);
      for (const key of store.entries.keys()) store.entries.set(key, { schema: TUNING_SCHEMA, winner: "second" });
      const report = await tune(chain(0), make({ first: 3, second: 2 }), store);
      expect(report).toMatchObject({ measured: 1, cached: 0 });
      expect(report.notes).toEqual([expect.stringMatching(/^tuning: the entry dense-.* does not fit this version, measured anew$/)]);

      const broken: TuningStore = {
        machine: store.machine,
        load: () => Promise.reject(new FormatError("x.json: is damaged")),
        store: () => Promise.resolve(),
      };
      expect((await tune(chain(0), make({ first: 3, second: 2 }), broken)).notes).toEqual(["tuning: x.json: is damaged; measured anew"]);
    });

    it("goes on where nothing can be kept", async () => {
      const full: TuningStore = {
        machine: {},
        load: () => Promise.resolve(undefined),
        store: () => Promise.reject(new UnavailableError("no-cache", "no folder to write it to")),
      };
      const report = await tune(chain(0), make({ first: 3, second: 2 }), full);
      expect(report.choices[0]?.kernel).toBe("second");
      expect(report.notes).toEqual(["tuning: not kept, no folder to write it to"]);
    });
  });
});

describe("layers", () => {
  const keyOf = (graph: Graph, at = 0, kernels = ["a", "b"]): string => layerKey(graph, graph.nodes[at]!, kernels);

  it("have one key for the same shape and zeros, whatever their names and values", () => {
    const graph = chain(4, 4);
    expect(keyOf(graph, 0)).toBe(keyOf(graph, 1));
    expect(keyOf(graph)).toMatch(/^dense-float32_2x4-float32_4x4-float32_2x4-z8_\d+-z4_\d+-z1_25-[0-9a-f]{16}$/);
  });

  it("have another key for other zeros, kernels and shapes", () => {
    const keys = [keyOf(chain(4)), keyOf(chain(8)), keyOf(chain(4), 0, ["a", "c"])];
    expect(new Set(keys).size).toBe(3);
    expect(keyOf(chain(4), 0, ["b", "a"])).toBe(keyOf(chain(4)));
  });

  it("read what the node read, constants as they were", () => {
    const graph = chain(0, 0);
    const layer = layerGraph(graph, graph.nodes[1]!);
    expect(layer.inputs).toEqual([graph.nodes[0]!.outputs[0]]);
    expect(layer.tensors.get("w1")?.data).toBe(graph.tensors.get("w1")?.data);
    const [first] = layerInputs(layer);
    expect(first).toEqual(layerInputs(layer)[0]);
    expect(Math.max(...first!)).toBeLessThanOrEqual(0.5);
    expect(new Set(first).size).toBeGreaterThan(4);
  });
});

describe("readEntry", () => {
  const entry: TuneEntry = {
    schema: TUNING_SCHEMA,
    key: "k",
    machine: {},
    default: "a",
    winner: "b",
    gain: 1.25,
    rounds: 8,
    samplesMs: { a: [2], b: [1] },
    excluded: [],
  };

  it("takes an entry for exactly these kernels", () => {
    expect(readEntry(entry, "k", ["b", "a"])).toEqual(entry);
    expect(reasonOf(entry)).toBe("tuned: 1.25× faster than a (8 samples)");
  });

  it.each([
    ["another key", { ...entry, key: "other" }],
    ["another schema", { ...entry, schema: "slimbench/tuning@0" }],
    ["a winner that is no kernel", { ...entry, winner: "z" }],
    ["a kernel too few", { ...entry, samplesMs: { b: [1] } }],
    ["a kernel too many", { ...entry, excluded: [{ kernel: "c", why: "wrong" }] }],
    ["times that are no numbers", { ...entry, samplesMs: { a: ["2"], b: [1] } }],
    ["a gain that is no number", { ...entry, gain: null }],
    ["a list", [entry]],
    ["nothing", null],
    ["a number", 3],
  ])("refuses %s", (_, value) => {
    expect(readEntry(value, "k", ["a", "b"])).toBeUndefined();
  });
});
