/** Judging changes: against a plain computation, and the same whether the part before a change is kept or not. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyRecipe } from "../../src/compress/apply.ts";
import { parseRecipe } from "../../src/compress/recipe.ts";
import type { Graph } from "../../src/graph/ir.ts";
import { referenceOutputs } from "../../src/harness/prepare.ts";
import { sqnrDb } from "../../src/harness/parity.ts";
import { Evaluator } from "../../src/study/evaluator.ts";
import type { Samples } from "../../src/study/samples.ts";
import { argmax, contextFor, mobileNet, plainNet, samplesFor } from "../compress/nets.ts";

const COUNT = 12;

function samplesOf(graph: Graph, labels?: readonly number[]): Samples {
  const list = samplesFor(graph, COUNT, 5);
  const labelled = labels && { labelled: { indices: Int32Array.from(labels.keys()), labels, classes: 10, seed: 1 } };
  return { n: COUNT, batch: 1, inferences: COUNT, inputs: (i) => list[i]!, ...labelled };
}

const changed = async (graph: Graph, recipe: string): Promise<Graph> =>
  (await applyRecipe(graph, parseRecipe(recipe), contextFor(graph, 4))).graph;

describe("Evaluator", () => {
  it("agrees with the CPU engine", async () => {
    const graph = plainNet();
    const reference = await referenceOutputs(graph, samplesFor(graph, COUNT, 5));
    const labels = reference.map(([scores], i) => (i % 4 === 0 ? (argmax(scores!) + 1) % 10 : argmax(scores!)));
    const evaluator = await Evaluator.open(graph, samplesOf(graph, labels));
    expect(evaluator.original).toEqual({ n: COUNT, value: 0.75 });
    const after = await changed(graph, "prune:0.9,only=conv2");
    const outputs = await referenceOutputs(after, samplesFor(graph, COUNT, 5));
    const classes = outputs.map(([scores]) => argmax(scores!));
    const right = classes.filter((label, i) => label === labels[i]).length / COUNT;
    const agreement = classes.filter((label, i) => label === argmax(reference[i]![0]!)).length / COUNT;
    const quality = await evaluator.evaluate(after);
    expect(quality).toMatchObject({ n: COUNT, value: right, reference: 0.75, delta: right - 0.75, agreement });
    expect(quality.sqnrDb).toBeCloseTo(sqnrDb(graph, reference, after, outputs)!, 3);
    expect(quality.identical).toBeUndefined();
  });

  it("says that nothing differs", async () => {
    const graph = plainNet();
    const evaluator = await Evaluator.open(graph, samplesOf(graph));
    expect(await evaluator.evaluate(graph)).toEqual({ n: COUNT, agreement: 1, identical: true });
    expect(await evaluator.evaluate(await changed(graph, "prune:0,only=fc1"))).toMatchObject({ agreement: 1, identical: true });
  });

  it("is the same, to the bit, with the part before a change kept and without", async () => {
    const recipes = ["prune:0.5", "prune:0.9", "int4", "int8", "fp16", "cluster:4", "prune,channels=0.5"];
    for (const graph of [plainNet(), mobileNet()]) {
      const layers = graph.name === "plain" ? ["conv1", "conv2", "fc1", "fc2"] : ["stem", "dw", "se1", "project", "head"];
      const keeping = await Evaluator.open(graph, samplesOf(graph));
      const whole = await Evaluator.open(graph, samplesOf(graph), { keptBytes: -1 });
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...recipes), fc.constantFrom(...layers), async (recipe, layer) => {
          let after: Graph;
          try {
            after = await changed(graph, `${recipe},only=${layer}`);
          } catch {
            return;
          }
          expect(await keeping.evaluate(after)).toEqual(await whole.evaluate(after));
        }),
        { numRuns: 25, seed: 11 },
      );
    }
  });

  it("runs about half of the nodes where layers are changed in order", async () => {
    const graph = plainNet();
    const keeping = await Evaluator.open(graph, samplesOf(graph));
    const whole = await Evaluator.open(graph, samplesOf(graph), { keptBytes: -1 });
    for (const layer of ["conv1", "conv2", "fc1", "fc2"]) {
      for (const recipe of ["prune:0.5", "fp16", "int4", "cluster:4"]) {
        const after = await changed(graph, `${recipe},only=${layer}`);
        expect(await keeping.evaluate(after)).toEqual(await whole.evaluate(after));
      }
    }
    // 7 nodes; 7, 5, 3 and 2 of them from the layers on, and once 2, 2 and 1 from one layer to the next.
    expect([keeping.nodesRun / COUNT - 7, whole.nodesRun / COUNT - 7]).toEqual([4 * (7 + 5 + 3 + 2) + 5, 4 * 4 * 7]);
  });

  it("stops when it is told to", async () => {
    const graph = plainNet();
    const controller = new AbortController();
    const slow: Samples = { ...samplesOf(graph), inferences: 100_000, n: 100_000, inputs: () => samplesFor(graph, 1, 1)[0]! };
    const opening = Evaluator.open(graph, slow, { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expect(opening).rejects.toThrow(/abort/i);
  });
});
