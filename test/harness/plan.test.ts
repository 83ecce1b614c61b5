import { describe, expect, it } from "vitest";
import { UnsupportedError, UsageError } from "../../src/errors.ts";
import { makePlan, parseShape, plannedKey } from "../../src/harness/plan.ts";
import type { PlanRequest } from "../../src/harness/plan.ts";
import { presetOf } from "../../src/harness/presets.ts";
import { silentReporter } from "../../src/harness/progress.ts";
import { processesOf } from "../../src/harness/record.ts";

const plan = (request: Partial<PlanRequest>): readonly string[] =>
  makePlan({ preset: "quick", seed: 1, ...request }).records.map(plannedKey);

describe("makePlan", () => {
  it("takes the default suite where nothing is named", () => {
    const keys = plan({});
    expect(keys).toHaveLength(36);
    expect(keys.slice(0, 4)).toEqual(["lenet5 fp32 cpu", "lenet5 fp32 wasm", "lenet5 fp32 webgpu", "lenet5 int8 cpu"]);
  });

  it("puts the original first, whatever the order of typing, and drops repetitions", () => {
    expect(plan({ models: ["lenet5"], recipes: ["int8", "fp32", "int8"], targets: ["cpu", "cpu"] })).toEqual([
      "lenet5 fp32 cpu",
      "lenet5 int8 cpu",
    ]);
  });

  it("takes files by path with defaults that need no data", () => {
    expect(plan({ models: ["some/net.onnx"], targets: ["wasm"] })).toEqual(["net fp32 wasm"]);
    expect(plan({ models: ["some/net.onnx"], targets: ["wasm"], dataset: "mnist" })).toEqual(["net fp32 wasm", "net int8 wasm"]);
    expect(makePlan({ preset: "quick", seed: 1, models: ["a.onnx"] }).suite).toBeUndefined();
  });

  it("tunes only where told to", () => {
    expect(makePlan({ seed: 1 }).tune).toBe("off");
    expect(makePlan({ seed: 1, tune: "force" }).tune).toBe("force");
  });

  it("takes the preset of the suite unless another is named", () => {
    expect(makePlan({ seed: 1, suite: "smoke" }).preset).toBe("quick");
    expect(makePlan({ seed: 1, suite: "smoke", preset: "rigorous" }).preset).toBe("rigorous");
    expect(makePlan({ seed: 1 }).preset).toBe("normal");
  });

  it("times in several processes, in one on a software GPU, in as many as asked for on both", () => {
    expect(makePlan({ seed: 1 })).toMatchObject({ processes: 3, softwareProcesses: 1 });
    const asked = makePlan({ seed: 1, processes: 4 });
    expect(asked).toMatchObject({ processes: 4, softwareProcesses: 4 });
    const context = { ...makePlan({ seed: 1 }), preset: presetOf("normal"), reporter: silentReporter };
    expect([true, false, undefined].map((software) => processesOf(context, { software: software === true, facts: {} }))).toEqual([1, 3, 3]);
  });

  it("overrides the dataset and the shapes of suite models", () => {
    const record = makePlan({ preset: "quick", seed: 1, models: ["ppocr-cls"], dataset: "none", shapes: new Map([["x", [1, 3, 48, 96]]]) })
      .records[0];
    expect(record?.model.dataset).toBeUndefined();
    expect(record?.model.shapes.get("x")).toEqual([1, 3, 48, 96]);
  });

  it("filters, and shards without losing or repeating a record", () => {
    expect(plan({ filter: "dsnet .*int8 wasm$" })).toEqual(["dsnet int8 wasm", "dsnet prune:0.7,block=1x8+int8 wasm"]);
    const shards = [1, 2, 3, 4, 5].flatMap((i) => plan({ shard: `${i}/5` }));
    expect([...shards].sort()).toEqual([...plan({})].sort());
  });

  it.each([
    [{ models: ["lenet6"] }, /--model lenet6: no such file, and no model of suite mobile/],
    [{ models: ["a/net.onnx", "b/net.onnx"] }, /two models are named "net"/],
    [{ recipes: ["int9"] }, /unknown step "int9".*int8/],
    [{ targets: ["gpu"] }, /unknown engine "gpu"/],
    [{ suite: "none" }, /unknown suite/],
    [{ filter: "[" }, /--filter \[: not a regular expression/],
    [{ filter: "nothing" }, /matches none of 36 records/],
    [{ shard: "0/4" }, /expected I\/N/],
    [{ shard: "5/4" }, /expected I\/N/],
    [{ shard: "half" }, /expected I\/N/],
  ])("refuses %j", (request, message) => {
    expect(() => plan(request)).toThrow(UsageError);
    expect(() => plan(request)).toThrow(message);
  });

  it("says which steps are not implemented", () => {
    expect(() => plan({ recipes: ["finetune:2"] })).toThrow(UnsupportedError);
  });
});

describe("parseShape", () => {
  it("splits at the last equals sign", () => {
    expect(parseShape("x=1,3,48,192")).toEqual(["x", [1, 3, 48, 192]]);
    expect(parseShape("a=b=1x2")).toEqual(["a=b", [1, 2]]);
  });

  it.each(["x", "=1,2", "x=", "x=1,-1", "x=1,a"])("refuses %j", (text) => {
    expect(() => parseShape(text)).toThrow(/expected INPUT=D,D/);
  });
});
