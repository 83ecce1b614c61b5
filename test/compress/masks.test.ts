/** The twin of torch.nn.utils.prune; vectors are those of PyTorch's own test/nn/test_pruning.py. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unitsToPrune } from "../../src/compress/prune/masks/amount.ts";
import {
  applyMethod,
  customFromMask,
  globalUnstructured,
  identity,
  isPruned,
  l1Unstructured,
  lnStructured,
  randomStructured,
  randomUnstructured,
  remove,
} from "../../src/compress/prune/masks/functions.ts";
import { PruningMethod, nextMask } from "../../src/compress/prune/masks/method.ts";
import type { PruningType, Values } from "../../src/compress/prune/masks/method.ts";
import { L1Unstructured, LnStructured, RandomStructured } from "../../src/compress/prune/masks/methods.ts";
import { PRUNING_STATE_SCHEMA, PrunableModel } from "../../src/compress/prune/masks/model.ts";
import { PrunableModule } from "../../src/compress/prune/masks/module.ts";
import { norm } from "../../src/compress/prune/importance.ts";
import { FormatError, ShapeError, UsageError } from "../../src/errors.ts";
import { expectSameResults } from "../graph/run.ts";
import { filled, mobileNet, plainNet, uniform } from "./nets.ts";

const matrix = (...rows: readonly (readonly number[])[]): Values => ({
  shape: [rows.length, rows[0]!.length],
  data: Float32Array.from(rows.flat()),
});
const W = matrix([1, 2, 3, 4], [-4, -3, -2, -1]);
const moduleOf = (weight: Values, bias?: Values): PrunableModule => new PrunableModule("m", { weight, ...(bias && { bias }) });
const valueOf = (module: PrunableModule, name = "weight"): number[] => [...module.parameter(name).value];

describe("amounts", () => {
  it.each([
    [0.4, 17, 7],
    [0.5, 5, 2],
    [0.5, 7, 4],
    [0.5, 9, 4],
    [0.25, 10, 2],
    [0.1, 15, 2],
    [3, 10, 3],
    [0, 10, 0],
    [1, 10, 1],
    [{ fraction: 1 }, 10, 10],
    [{ fraction: 0 }, 10, 0],
    [{ fraction: 0.5 }, 5, 2],
  ])("%j of %i is %i", (amount, size, expected) => {
    expect(unitsToPrune(amount, size)).toBe(expected);
  });

  it.each([-1, -0.1, 1.5, Number.NaN, Infinity, { fraction: 2 }, { fraction: -1 }, "0.5", null, undefined])("rejects %j", (amount) => {
    expect(() => new L1Unstructured(amount as number)).toThrow(UsageError);
  });

  it("rejects a count above the size", () => {
    expect(() => unitsToPrune(11, 10)).toThrow("amount: got 11 units, expected at most 10");
  });
});

describe("published vectors", () => {
  it("L1, twice", () => {
    const module = moduleOf(W);
    expect(valueOf(l1Unstructured(module, "weight", 2))).toEqual([0, 2, 3, 4, -4, -3, -2, 0]);
    expect(valueOf(l1Unstructured(module, "weight", 2))).toEqual([0, 0, 3, 4, -4, -3, 0, 0]);
  });

  it("L1 by importance scores, twice", () => {
    const scores = matrix([4, 2, 1, 3], [-3, -1, -2, -4]);
    const module = moduleOf(W);
    expect(valueOf(l1Unstructured(module, "weight", 2, { scores }))).toEqual([1, 2, 0, 4, -4, 0, -2, -1]);
    expect(valueOf(l1Unstructured(module, "weight", 2, { scores }))).toEqual([1, 0, 0, 4, -4, 0, 0, -1]);
  });

  it("on top of a mask: entries, rows, columns", () => {
    const t = matrix([1, 2, 3, 4], [5, 6, 7, 8]);
    const prior = Uint8Array.of(1, 1, 1, 0, 1, 1, 0, 1);
    expect([...nextMask(new L1Unstructured(2), t, prior)]).toEqual([0, 0, 1, 0, 1, 1, 0, 1]);
    expect([...nextMask(new LnStructured(1, 2, 0), t, prior)]).toEqual([0, 0, 0, 0, 1, 1, 0, 1]);
    expect([...nextMask(new LnStructured(1, 2, 1), t, prior)]).toEqual([0, 1, 1, 0, 0, 1, 0, 1]);
  });

  it("globally over two parameters", () => {
    const [a, b] = [moduleOf(W), moduleOf(matrix([0, 0.1, -2]))];
    globalUnstructured(
      [
        { module: a, name: "weight" },
        { module: b, name: "weight" },
      ],
      new L1Unstructured(4),
    );
    expect(valueOf(a)).toEqual([0, 2, 3, 4, -4, -3, -2, 0]);
    expect(valueOf(b)).toEqual([0, 0, -2]);
  });

  it("channels by L2, then columns by L1", () => {
    const conv: Values = { shape: [1, 3, 2, 2], data: Float32Array.of(1, 2, 1, 2.5, 0.5, 1, 0.1, 0.1, -3, -5, 0.1, -1) };
    const module = moduleOf(conv);
    lnStructured(module, "weight", 1, 2, 1);
    expect([...module.parameter("weight").mask!]).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]);
    lnStructured(module, "weight", 1, 1, -1);
    expect([...module.parameter("weight").mask!]).toEqual([0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1]);
  });

  it("0.5 twice leaves a quarter", () => {
    const module = moduleOf({ shape: [8, 8], data: filled(64, uniform(3)) });
    randomUnstructured(randomUnstructured(module, "weight", 0.5, { seed: 1 }), "weight", 0.5, { seed: 2 });
    expect(module.parameter("weight").mask!.reduce((sum, kept) => sum + kept, 0)).toBe(16);
  });
});

describe("methods", () => {
  it("random ones prune exactly the amount, the same for a seed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.nat(), (rows, columns, seed) => {
        const values: Values = { shape: [rows, columns], data: filled(rows * columns, uniform(seed)) };
        const masks = [1, 2].map(() => {
          const module = randomStructured(moduleOf(values), "weight", 1, 0, { seed });
          return [...module.parameter("weight").mask!];
        });
        expect(masks[0]).toEqual(masks[1]);
        const rowsGone = Array.from({ length: rows }, (_, r) => masks[0]!.slice(r * columns, (r + 1) * columns));
        expect(rowsGone.filter((row) => row.every((kept) => kept === 0)).length).toBe(1);
        expect(rowsGone.filter((row) => row.every((kept) => kept === 1)).length).toBe(rows - 1);
        const entries = randomUnstructured(moduleOf(values), "weight", 0.3, { seed }).parameter("weight").mask!;
        expect(entries.filter((kept) => kept === 0).length).toBe(unitsToPrune(0.3, rows * columns));
      }),
    );
  });

  it("structured ones act on the channels that are left", () => {
    const module = moduleOf(matrix([1, 1], [2, 2], [3, 3], [4, 4]));
    lnStructured(module, "weight", 0.5, 2, 0);
    lnStructured(module, "weight", 0.5, 2, 0);
    expect(valueOf(module)).toEqual([0, 0, 0, 0, 0, 0, 4, 4]);
    expect(() => randomStructured(module, "weight", 2, 0)).toThrow("got 2 units, expected at most 1, all that are left");
  });

  it.each([
    [1, 7],
    [2, 5],
    ["fro", 5],
    [Infinity, 4],
    [-Infinity, 3],
    [3, (27 + 64) ** (1 / 3)],
  ] as const)("norm %s of (3, -4) is %f", (n, expected) => {
    expect(norm([3, -4], n)).toBeCloseTo(expected, 12);
  });

  it("ranks channels by the norm that is asked for", () => {
    const t = matrix([3, 3], [5, 0], [0, 0.5]);
    const gone = (n: number | "fro"): number[] => [...nextMask(new LnStructured(2, n, 0), t, new Uint8Array(6).fill(1))];
    expect(gone(1)).toEqual([1, 1, 0, 0, 0, 0]);
    expect(gone(2)).toEqual([0, 0, 1, 1, 0, 0]);
    expect(gone("fro")).toEqual(gone(2));
    expect(gone(Infinity)).toEqual([0, 0, 1, 1, 0, 0]);
    expect(gone(-Infinity)).toEqual([1, 1, 0, 0, 0, 0]);
    expect(() => new LnStructured(1, 0, 0)).toThrow('n: got 0, expected a number above 0, Infinity, -Infinity or "fro"');
  });

  it("needs two dimensions for channels, and an axis that there is", () => {
    const bias: Values = { shape: [4], data: Float32Array.of(1, 2, 3, 4) };
    expect(() => lnStructured(moduleOf(W, bias), "bias", 1, 2, 0)).toThrow(ShapeError);
    expect(() => lnStructured(moduleOf(W), "weight", 1, 2, 2)).toThrow("dim: got 2, expected an axis of [2, 4]");
    expect(valueOf(lnStructured(moduleOf(W), "weight", 1, Infinity, -2))).toEqual([0, 0, 0, 0, -4, -3, -2, -1]);
  });

  it("prunes a bias", () => {
    const bias: Values = { shape: [4], data: Float32Array.of(1, -0.5, 3, 4) };
    const module = l1Unstructured(moduleOf(W, bias), "bias", 0.25);
    expect(valueOf(module, "bias")).toEqual([1, 0, 3, 4]);
    expect(module.parameter("weight").isPruned).toBe(false);
  });

  it("takes a method of one's own", () => {
    class EverySecond extends PruningMethod {
      override readonly type: PruningType = "unstructured";
      override computeMask(scores: Values): Uint8Array {
        return Uint8Array.from(scores.data, (_, i) => i % 2);
      }
    }
    const module = applyMethod(moduleOf(W), "weight", new EverySecond());
    expect(valueOf(module)).toEqual([0, 2, 0, 4, 0, -3, 0, -1]);
    // It sees the four that are left.
    expect(valueOf(applyMethod(module, "weight", new EverySecond()))).toEqual([0, 0, 0, 4, 0, 0, 0, -1]);
    class Whole extends EverySecond {
      override readonly type = "global";
    }
    expect(valueOf(applyMethod(module, "weight", new Whole()))).toEqual([0, 0, 0, 4, 0, 0, 0, -1]);
    class Axisless extends EverySecond {
      override readonly type = "structured";
    }
    expect(() => applyMethod(module, "weight", new Axisless())).toThrow("Axisless: structured, but it has no dim");
    class Short extends EverySecond {
      override computeMask(): Uint8Array {
        return new Uint8Array(1);
      }
    }
    expect(() => applyMethod(module, "weight", new Short())).toThrow("Short: its mask has 1 entries, expected 2");
  });

  it("custom masks multiply; identity only reparametrizes", () => {
    const module = identity(moduleOf(W), "weight");
    expect([valueOf(module), isPruned(module)]).toEqual([[...W.data], true]);
    customFromMask(module, "weight", matrix([0, 1, 1, 1], [1, 1, 1, 0]));
    customFromMask(module, "weight", matrix([1, 0, 5, 1], [1, 1, 1, 1]));
    expect(valueOf(module)).toEqual([0, 0, 3, 4, -4, -3, -2, 0]);
    expect(module.parameter("weight").methods.map(({ constructor }) => constructor.name)).toEqual([
      "Identity",
      "CustomFromMask",
      "CustomFromMask",
    ]);
    expect(() => customFromMask(module, "weight", { shape: [8], data: new Uint8Array(8) })).toThrow(ShapeError);
  });
});

describe("reparametrization", () => {
  it("computes the value anew before a forward pass, and lets gradients through the mask only", () => {
    const module = l1Unstructured(moduleOf(W), "weight", 2);
    const parameter = module.parameter("weight");
    expect([...parameter.orig]).toEqual([...W.data]);
    parameter.orig.fill(9);
    expect(valueOf(module)).toEqual([0, 2, 3, 4, -4, -3, -2, 0]);
    module.beforeForward();
    expect(valueOf(module)).toEqual([0, 9, 9, 9, 9, 9, 9, 0]);
    expect([...parameter.gradient(new Float32Array(8).fill(1))]).toEqual([0, 1, 1, 1, 1, 1, 1, 0]);
  });

  it("remove keeps the zeros and the parameter, and does not undo", () => {
    const module = l1Unstructured(moduleOf(W), "weight", 2);
    const parameter = module.parameter("weight");
    remove(module, "weight");
    expect(module.parameter("weight")).toBe(parameter);
    expect([isPruned(module), parameter.mask, [...parameter.orig]]).toEqual([false, undefined, [0, 2, 3, 4, -4, -3, -2, 0]]);
    expect(() => remove(module, "weight")).toThrow('remove: parameter "weight" of module "m" is not pruned');
    expect(() => remove(module, "bias")).toThrow('module "m" has no parameter "bias". Known: weight');
  });

  it("is as before when a method fails", () => {
    const module = moduleOf(W);
    expect(() => l1Unstructured(module, "weight", 9)).toThrow(UsageError);
    expect([isPruned(module), valueOf(module)]).toEqual([false, [...W.data]]);
    l1Unstructured(module, "weight", 6);
    const before = module.parameter("weight").mask;
    expect(() => l1Unstructured(module, "weight", 3)).toThrow("got 3 units, expected at most 2");
    expect(() => l1Unstructured(module, "weight", 1, { scores: matrix([1, 2]) })).toThrow("importance scores: got shape [1, 2]");
    expect(module.parameter("weight").mask).toBe(before);
    expect(module.parameter("weight").methods.length).toBe(1);
  });

  it("global pruning takes unstructured methods only, changes nothing on errors, and spares what is gone", () => {
    const [a, b] = [moduleOf(W), moduleOf(matrix([0, 0.1, -2]))];
    const targets = [a, b].map((module) => ({ module, name: "weight" }));
    expect(() => globalUnstructured(targets, new RandomStructured(1, 0))).toThrow("got a structured method, expected an unstructured one");
    expect(() => globalUnstructured([], new L1Unstructured(1))).toThrow("got no parameters");
    expect(() => globalUnstructured(targets, new L1Unstructured(12))).toThrow("expected at most 11");
    expect([isPruned(a), isPruned(b)]).toEqual([false, false]);
    l1Unstructured(b, "weight", 2);
    globalUnstructured(targets, new L1Unstructured(2));
    expect([valueOf(a), valueOf(b)]).toEqual([
      [0, 2, 3, 4, -4, -3, -2, 0],
      [0, 0, -2],
    ]);
    const scores = matrix([9, 9, 9]);
    globalUnstructured([targets[0]!, { ...targets[1]!, scores }], new L1Unstructured({ fraction: 6 / 7 }));
    expect([valueOf(a), valueOf(b)]).toEqual([
      [0, 0, 0, 0, 0, 0, 0, 0],
      [0, 0, -2],
    ]);
  });
});

describe("models", () => {
  it("prunes the layers of a graph, which then computes with the masked weights", async () => {
    const graph = mobileNet();
    const model = new PrunableModel(graph);
    expect([...model.modules.keys()]).toEqual(["stem", "dw", "se1", "se2", "project", "head"]);
    for (const module of model.modules.values()) l1Unstructured(module, "weight", 0.5);
    l1Unstructured(model.module("head"), "bias", 2);
    const pruned = model.applyTo(graph);
    expect(pruned.tensors.get("stem.w")!.sparsity).toEqual({ pattern: "unstructured" });
    expect([...pruned.tensors.get("head.b")!.data!].filter((x) => x === 0).length).toBe(2);
    expect([...model.masks().keys()].sort()).toEqual(["dw.w", "head.b", "head.w", "project.w", "se1.w", "se2.w", "stem.w"]);
    // Removing makes no difference to what is computed.
    for (const module of model.modules.values()) remove(module, "weight");
    await expectSameResults(pruned, model.applyTo(graph), 4);
    expect(graph.tensors.get("stem.w")!.data!.includes(0)).toBe(false);
    expect(() => model.module("tail")).toThrow('no layer "tail". Known: stem, dw');
  });

  it("gives back the very tensors where nothing is pruned", () => {
    const graph = plainNet();
    const same = new PrunableModel(graph).applyTo(graph);
    for (const [name, tensor] of same.tensors) expect(tensor).toBe(graph.tensors.get(name));
    expect(() => new PrunableModel(graph).applyTo(mobileNet())).toThrow('has no constant "conv1.w"');
  });

  it("saves originals and masks as JSON, and stacks on them after loading", () => {
    const graph = plainNet();
    const model = new PrunableModel(graph);
    l1Unstructured(model.module("fc1"), "weight", 0.5);
    l1Unstructured(model.module("fc2"), "bias", 3);
    const text = JSON.stringify(model.state());
    const loaded = new PrunableModel(graph);
    loaded.load(JSON.parse(text));
    expect(JSON.stringify(loaded.state())).toBe(text);
    for (const module of [model, loaded]) l1Unstructured(module.module("fc1"), "weight", 0.5);
    expect(loaded.masks()).toEqual(model.masks());
    expect([...loaded.module("fc1").parameter("weight").orig]).toEqual([...graph.tensors.get("fc1.w")!.data!]);
  });

  it.each([
    [null, 'expected an object with schema "slimbench/pruning@1"'],
    [{ schema: PRUNING_STATE_SCHEMA }, "expected an object with schema"],
    [{ schema: PRUNING_STATE_SCHEMA, parameters: { x: {} } }, 'parameter "x" is not in this model'],
    [{ schema: PRUNING_STATE_SCHEMA, parameters: { "fc2.b": {} } }, "expected orig and mask"],
    [{ schema: PRUNING_STATE_SCHEMA, parameters: { "fc2.b": { orig: "AAAA", mask: "" } } }, "got 0.75 values and 0 of a mask, expected 10"],
  ])("refuses the state %j", (state, message) => {
    const model = new PrunableModel(plainNet());
    expect(() => model.load(state)).toThrow(FormatError);
    expect(() => model.load(state)).toThrow(message);
    expect(model.isPruned).toBe(false);
  });

  it("is exported from the package's entry", async () => {
    const entry: Record<string, unknown> = await import("../../src/index.ts");
    expect(entry).toMatchObject({ l1Unstructured, PrunableModel, PruningMethod });
  });
});
