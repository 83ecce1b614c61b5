/** Trees from a dataset of the user's: tabular data by a header, samples held out, and what is refused. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { isHeldOut } from "../../src/compress/trees/holdout.ts";
import { tensorOf } from "../../src/graph/access.ts";
import { graphTrees, isTree } from "../../src/graph/tree.ts";
import { growFrom } from "../../src/harness/grow.ts";
import { referenceOutputs } from "../../src/harness/prepare.ts";
import { openLabelled } from "../../src/harness/labelled.ts";

const folder = mkdtempSync(join(tmpdir(), "slimbench-grow-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** 200 samples of 3 features; the class is whether the second is above 0.5. */
function dataset(name: string, dtype: "float32" | "int8", broken = false): string {
  const data = Float32Array.from({ length: 600 }, (_, i) => ((i * 37) % 101) / 100);
  const labels = Array.from({ length: 200 }, (_, i) => (data[3 * i + 1]! > 0.5 ? 1 : 0));
  if (broken) data[7] = NaN;
  writeFileSync(join(folder, `${name}.bin`), dtype === "float32" ? data : Int8Array.from(data, (v) => v * 100));
  const path = join(folder, `${name}.json`);
  writeFileSync(
    path,
    JSON.stringify({ name, task: "classification", input: { dtype, shape: [3] }, data: `${name}.bin`, labels, classes: 2 }),
  );
  return path;
}

const settings = { criterion: "gini", trees: 1, seed: 1 } as const;

describe("growing from a header", () => {
  it("gives a graph of the samples' shape that predicts them", async () => {
    const path = dataset("table", "float32");
    const { graph, samples, heldOut } = await growFrom(path, settings, 0);
    expect([samples, heldOut]).toEqual([200, 0]);
    expect(graphTrees(graph)).toMatchObject({ nodes: 3, depth: 1 });
    expect(tensorOf(graph, graph.inputs[0]!).shape).toEqual([1, 3]);
    const labelled = await openLabelled(path)();
    const inputs = Array.from({ length: labelled.count }, (_, i) => [labelled.sample(i)]);
    const outputs = await referenceOutputs(graph, inputs);
    outputs.forEach(([scores], i) => expect(scores![labelled.label(i)]).toBe(1));
  });

  it("keeps a share of the samples unseen, and says which", async () => {
    const { graph, samples, heldOut } = await growFrom(dataset("held", "float32"), { ...settings, seed: 4 }, 0.3);
    const held = Array.from({ length: 200 }, (_, i) => i).filter((i) => isHeldOut(i, { fraction: 0.3, seed: 4 }));
    expect(heldOut).toBe(held.length);
    expect(samples + heldOut).toBe(200);
    expect(heldOut).toBeGreaterThan(30);
    expect(heldOut).toBeLessThan(90);
    expect(graph.nodes.find(isTree)!.attrs.holdout).toEqual({ fraction: 0.3, seed: 4 });
  });

  it("regresses by mse, to one output", async () => {
    const { graph } = await growFrom(dataset("regress", "float32"), { ...settings, criterion: "mse" }, 0);
    expect(tensorOf(graph, graph.outputs[0]!).shape).toEqual([1, 1]);
    expect(graph.nodes.find(isTree)!.attrs.task).toBe("regression");
  });

  it("refuses other types, and values that are no numbers", async () => {
    await expect(growFrom(dataset("bytes", "int8"), settings, 0)).rejects.toThrow(/samples are int8, expected float32/);
    await expect(growFrom(dataset("broken", "float32", true), settings, 0)).rejects.toThrow(/sample 2, feature 1: got NaN/);
    await expect(openLabelled(dataset("bytes2", "int8"))()).rejects.toThrow(/samples are int8/);
  });
});
